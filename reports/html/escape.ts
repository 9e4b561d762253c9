const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text for element content and quoted attributes. */
export const escapeHTML = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!);
