import { spawnSync } from "node:child_process";

/** Chinese, Japanese and Korean, with their punctuation. */
export const CJK = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\u3000-\u303f\uff00-\uffef]/u;

/** Scripts whose fonts come in packages of their own, with Debian's names; letters of all others are in `fonts-noto-core`. */
const PACKAGES: readonly [script: RegExp, name: string][] = [
  [CJK, "fonts-noto-cjk"],
  [/[\u{1f000}-\u{1faff}]/u, "fonts-noto-color-emoji"],
];

/** Letters and pictures beyond Latin, Greek and Cyrillic: what a font may well lack, and a package has. */
const FAR = /[\u0590-\u1dff\u2e80-\u9fff\ua000-\udfff\uf900-\ufdff\ufe30-\uffef\u{10000}-\u{1d3ff}\u{1e000}-\u{3ffff}]/gu;

/**
 * What a text lacks to be drawn on this machine: `no installed font has U+6F22: apt-get install fonts-noto-cjk`. Undefined where fonts are there, or where nobody can say
 * (without fontconfig, as on macOS and Windows, which bring their own).
 *
 * @param has whether an installed font has a character; of neighbouring ones only one is asked for
 */
export function fontLack(text: string, has: (character: string) => boolean = isInstalled): string | undefined {
  const blocks = new Map<number, string>();
  for (const [character] of text.matchAll(FAR)) {
    if (/[\p{L}\p{N}\p{P}\p{S}]/u.test(character)) blocks.set(character.codePointAt(0)! >> 7, character);
  }
  const lacking = [...blocks.values()].filter((character) => !has(character));
  if (lacking.length === 0) return undefined;
  const packages = new Set(lacking.map((character) => PACKAGES.find(([script]) => script.test(character))?.[1] ?? "fonts-noto-core"));
  const codes = lacking.slice(0, 3).map((character) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`);
  return `no installed font has ${codes.join(", ")}: apt-get install ${[...packages].join(" ")}`;
}

const asked = new Map<string, boolean>();

function isInstalled(character: string): boolean {
  const known = asked.get(character);
  if (known !== undefined) return known;
  const { status, stdout } = spawnSync("fc-list", [`:charset=${character.codePointAt(0)!.toString(16)}`, "file"], { encoding: "utf8" });
  const found = status !== 0 || stdout.trim() !== "";
  asked.set(character, found);
  return found;
}
