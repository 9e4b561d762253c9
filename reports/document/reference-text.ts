import type { BibliographyEntry, People, Person } from "./model.js";

/** A reference as in a list of references: authors, year, title, where it appeared, link. */
export function describeEntry(entry: BibliographyEntry): { text: string; title: string; rest: string; url?: string } {
  const { fields } = entry;
  const people = names(entry.authors ?? entry.editors);
  const text = `${people ? `${people.replace(/\.$/, "")}. ` : ""}${fields.year ? `${fields.year}. ` : ""}`;
  const place = fields.journal ?? fields.booktitle ?? fields.publisher ?? fields.howpublished ?? fields.school ?? "";
  const arxiv = arxivOf(entry);
  const rest = [place, fields.volume && `vol. ${fields.volume}`, fields.pages && `pp. ${fields.pages}`, arxiv].filter(Boolean).join(", ");
  const url =
    fields.url ??
    (fields.doi
      ? `https://doi.org/${fields.doi.replace(/^(?:https?:\/\/(?:dx\.)?doi\.org\/|doi:)/i, "")}`
      : arxiv
        ? `https://arxiv.org/abs/${fields.eprint}`
        : undefined);
  return { text, title: fields.title ?? "", rest, ...(url && /^https?:\/\//.test(url) && { url }) };
}

/** The dot behind a part of a reference; none behind one that ends its sentence itself, such as `J. Mach. Learn. Res.` or a question. */
export const dotBehind = (part: string): string => (/[.?!]$/.test(part) ? "" : ".");

/** `arXiv:2504.02725`, or nothing. */
export const arxivOf = ({ fields }: BibliographyEntry): string =>
  fields.eprint && /arxiv/i.test(fields.archiveprefix ?? fields.eprinttype ?? "") ? `arXiv:${fields.eprint}` : "";

/** "Kehua Feng et al." where there are more than three, or others. */
function names({ list, others }: People = { list: [], others: false }): string {
  const readable = list.map(nameText);
  if (readable.length > 3 || (others && readable.length > 0)) return `${readable[0]} et al.`;
  return readable.length < 2 ? (readable[0] ?? "") : `${readable.slice(0, -1).join(", ")} and ${readable.at(-1)}`;
}

/** "Ursula von der Leyen", "Geoffrey Hinton, Jr.". */
function nameText({ given, prefix, family, suffix }: Person): string {
  const name = [given, prefix, family].filter(Boolean).join(" ");
  return suffix ? `${name}, ${suffix}` : name;
}
