/**
 * Which characters LaTeX's own fonts print, so that a document looks the same under pdfLaTeX and LuaLaTeX: Latin letters and
 * punctuation as they are, mathematical ones by a command of amssymb, all others by their code point.
 */

/** Commands of mathematical characters, valid in formulas. */
const COMMANDS = pairs(`
α \\alpha β \\beta γ \\gamma δ \\delta ε \\varepsilon ϵ \\epsilon ζ \\zeta η \\eta θ \\theta ϑ \\vartheta ι \\iota κ \\kappa λ \\lambda μ \\mu
ν \\nu ξ \\xi ο o π \\pi ϖ \\varpi ρ \\rho ϱ \\varrho σ \\sigma ς \\varsigma τ \\tau υ \\upsilon φ \\varphi ϕ \\phi χ \\chi ψ \\psi ω \\omega
Α \\mathrm{A} Β \\mathrm{B} Γ \\Gamma Δ \\Delta Ε \\mathrm{E} Ζ \\mathrm{Z} Η \\mathrm{H} Θ \\Theta Ι \\mathrm{I} Κ \\mathrm{K} Λ \\Lambda
Μ \\mathrm{M} Ν \\mathrm{N} Ξ \\Xi Ο \\mathrm{O} Π \\Pi Ρ \\mathrm{P} Σ \\Sigma Τ \\mathrm{T} Υ \\Upsilon Φ \\Phi Χ \\mathrm{X} Ψ \\Psi Ω \\Omega
← \\leftarrow → \\rightarrow ↑ \\uparrow ↓ \\downarrow ↔ \\leftrightarrow ↕ \\updownarrow ↖ \\nwarrow ↗ \\nearrow ↘ \\searrow ↙ \\swarrow
⇐ \\Leftarrow ⇒ \\Rightarrow ⇑ \\Uparrow ⇓ \\Downarrow ⇔ \\Leftrightarrow ↦ \\mapsto ⟵ \\longleftarrow ⟶ \\longrightarrow ⟹ \\Longrightarrow
⟸ \\Longleftarrow ⟺ \\Longleftrightarrow ↩ \\hookleftarrow ↪ \\hookrightarrow ⇌ \\rightleftharpoons ⇝ \\rightsquigarrow
− - ∓ \\mp ∗ \\ast ∘ \\circ ∙ \\bullet ⋅ \\cdot ⋆ \\star ∑ \\sum ∏ \\prod ∐ \\coprod ∫ \\int ∬ \\iint ∮ \\oint √ \\surd ∞ \\infty ∂ \\partial
∇ \\nabla ∈ \\in ∉ \\notin ∋ \\ni ⊂ \\subset ⊃ \\supset ⊆ \\subseteq ⊇ \\supseteq ⊄ \\not\\subset ⊊ \\subsetneq ∪ \\cup ∩ \\cap ∅ \\varnothing
∖ \\setminus ∧ \\wedge ∨ \\vee ∀ \\forall ∃ \\exists ∄ \\nexists ⊢ \\vdash ⊨ \\models ⊤ \\top ⊥ \\bot ≤ \\leq ≥ \\geq ≠ \\neq ≈ \\approx ≉ \\not\\approx
≡ \\equiv ≅ \\cong ∼ \\sim ≃ \\simeq ≪ \\ll ≫ \\gg ≲ \\lesssim ≳ \\gtrsim ≺ \\prec ≻ \\succ ∝ \\propto ⊕ \\oplus ⊖ \\ominus ⊗ \\otimes ⊙ \\odot
⊞ \\boxplus ⊠ \\boxtimes ∥ \\parallel ∣ \\mid ⟨ \\langle ⟩ \\rangle ⌈ \\lceil ⌉ \\rceil ⌊ \\lfloor ⌋ \\rfloor ⋯ \\cdots ⋮ \\vdots ⋱ \\ddots
∴ \\therefore ∵ \\because ∠ \\angle ′ {}' ″ {}'' ‴ {}''' ℓ \\ell ℏ \\hbar ℜ \\Re ℑ \\Im ℘ \\wp ℵ \\aleph ℂ \\mathbb{C} ℕ \\mathbb{N} ℙ \\mathbb{P}
ℚ \\mathbb{Q} ℝ \\mathbb{R} ℤ \\mathbb{Z} 𝔼 \\mathbb{E} 𝟙 \\mathbf{1} ℒ \\mathcal{L} ℋ \\mathcal{H} ℱ \\mathcal{F} 𝒟 \\mathcal{D} 𝒩 \\mathcal{N}
✓ \\checkmark ✔ \\checkmark ✗ \\times ✘ \\times ★ \\bigstar ☆ \\star □ \\square ■ \\blacksquare ☐ \\square ☑ \\boxtimes △ \\triangle ▲ \\blacktriangle
▽ \\triangledown ▼ \\blacktriangledown ▶ \\blacktriangleright ◀ \\blacktriangleleft ◆ \\blacklozenge ◇ \\lozenge ● \\bullet ○ \\circ ◦ \\circ
♠ \\spadesuit ♡ \\heartsuit ♢ \\diamondsuit ♣ \\clubsuit ♭ \\flat ♮ \\natural ♯ \\sharp
⁰ {}^{0} ⁴ {}^{4} ⁵ {}^{5} ⁶ {}^{6} ⁷ {}^{7} ⁸ {}^{8} ⁹ {}^{9} ⁺ {}^{+} ⁻ {}^{-} ⁿ {}^{n} ₀ {}_{0} ₁ {}_{1} ₂ {}_{2} ₃ {}_{3} ₄ {}_{4} ₅ {}_{5} ₆ {}_{6} ₇ {}_{7} ₈ {}_{8} ₉ {}_{9}
`);

function pairs(table: string): ReadonlyMap<string, string> {
  const words = table.trim().split(/\s+/);
  return new Map(Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i]!, words[2 * i + 1]!]));
}

/** Letters and signs of Latin-1 that formulas know too. */
const LATIN_1_MATH: Record<string, string> = {
  "±": "\\pm",
  "×": "\\times",
  "÷": "\\div",
  "·": "\\cdot",
  "¬": "\\neg",
  "²": "{}^{2}",
  "³": "{}^{3}",
  "¹": "{}^{1}",
  µ: "\\mu",
  "°": "{}^{\\circ}",
  "…": "\\ldots",
};

/** The command of a character in a formula, if there is one. */
export const mathCommand = (character: string): string | undefined => LATIN_1_MATH[character] ?? COMMANDS.get(character);

/** Latin letters of Latin Extended-A that T1 lacks. */
const NO_LETTERS = new Set("ĦħĸĿŀŉŦŧſ");

/** Printed by the text fonts as it stands. */
const isText = (character: string): boolean => /^[\u0020-\u007e¡-¬®-ž–—‘’‚“”„†‡•…‰‹›€™]$/u.test(character) && !NO_LETTERS.has(character);

/** Spaces, hyphens, and the block of progress bars. */
const COMMON: Record<string, string> = {
  "\u00a0": "~",
  "\u00ad": "\\-",
  "\u2002": "\\enspace{}",
  "\u2003": "\\quad{}",
  "\u2009": "\\,",
  "\u202f": "\\,",
  "\u2011": "-",
  "\u200b": "\\allowbreak{}",
  "█": "\\rule{0.5em}{1.4ex}\\allowbreak{}",
};

/** A character beyond ASCII in text: itself, a command, or its code point by `\missing`, which the preamble defines. */
export function textCharacter(character: string): string {
  if (isText(character)) return character;
  const command = COMMON[character];
  if (command) return command;
  const math = COMMANDS.get(character);
  return math ? `\\ensuremath{${math}}` : `\\missing{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}}`;
}
