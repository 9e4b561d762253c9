/** The lock of bootstrap.mjs: what lock.ts does, in plain JavaScript, since it is held while that is compiled. */
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";

/** Runs `work` while no other process that asks for the same lock file does; a lock whose owner died is taken over. `waiting` is called once, after a second. */
export async function locked(lock, work, waiting) {
  const mine = `${process.pid} ${hostname()}`;
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = 0; ; waited++) {
    if (take(lock, mine)) break;
    if (abandoned(lock)) removeAbandoned(lock);
    else {
      if (waited === 4) waiting();
      await new Promise((wake) => setTimeout(wake, 250));
    }
  }
  const beat = setInterval(() => existsSync(lock) && utimesSync(lock, new Date(), new Date()), 5000);
  const unlock = () => read(lock) === mine && rmSync(lock, { force: true }); // another one's, where this process slept and its lock was taken over
  process.once("exit", unlock);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.removeListener("exit", unlock);
    unlock();
  }
}

function take(lock, mine) {
  let file;
  try {
    file = openSync(lock, "wx");
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
  try {
    writeFileSync(file, mine);
    return true;
  } catch (error) {
    rmSync(lock, { force: true }); // such as on a full disk
    throw error;
  } finally {
    closeSync(file);
  }
}

function abandoned(lock) {
  try {
    const [pid, host] = readFileSync(lock, "utf8").split(" ");
    if (Date.now() - statSync(lock).mtimeMs > 60_000) return true;
    if (!pid || host !== hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Moves the file away before it is removed: if another process was faster, what was moved is that one's lock, and it is put back. */
function removeAbandoned(lock) {
  const aside = `${lock}.${process.pid}.tmp`;
  try {
    renameSync(lock, aside);
  } catch {
    return; // released meanwhile
  }
  try {
    if (!abandoned(aside)) linkSync(aside, lock);
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
