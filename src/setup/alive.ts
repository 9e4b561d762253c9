/** Whether a process of this machine runs, this user's or another's. @param pid its id, or that of a group where it is negative */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
