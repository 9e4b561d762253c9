import type { ReportDocument } from "../document/model.js";
import type { Provenance } from "../provenance/collect.js";
import { facts } from "../provenance/html.js";
import { escapeTeX } from "./escape.js";
import { withScripts } from "./scripts.js";
import type { Template } from "./templates.js";

/**
 * The whole document around its content.
 * @param title escaped
 */
export function reportTeX(document: ReportDocument, title: string, content: string, provenance: Provenance, template: Template): string {
  const others = [...new Set([...content.matchAll(/\\refinother\{([A-Za-z0-9._-]+)\}/g)].map(([, stem]) => stem!))];
  const body = [warnings(document), content].filter(Boolean).join("\n\n");
  const scripts = withScripts(body);
  const parts = [
    `% !TeX program = ${scripts.preamble ? "lualatex" : "pdflatex"}
% !BIB program = bibtex
% Made by erpo from ${escapeTeX(provenance.notebook.file)}. LuaLaTeX compiles it too; no shell escape is needed.
${template.class}
${preamble(template)}${scripts.preamble}${others.map((stem) => `\\externaldocument[${stem}:]{${stem}}\n`).join("")}
\\title{${title}}
\\author{${document.authors.map(escapeTeX).join(" \\and ")}}
\\date{${provenance.execution ? `Run on ${escapeTeX(provenance.execution.started.slice(0, 10))}` : ""}}

\\begin{document}
\\maketitle`,
    scripts.content,
    document.citations.length ? "\\bibliographystyle{unsrtnat}\n\\bibliography{references}" : "",
    provenanceTeX(provenance),
    "\\end{document}\n",
  ];
  return parts.filter(Boolean).join("\n\n");
}

const preamble = ({ geometry }: Template) => `\\usepackage[${geometry}]{geometry}
\\usepackage{iftex}
\\ifpdftex\\usepackage[T1]{fontenc}\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\\fi
\\usepackage{amsmath,amssymb}
\\usepackage{array,booktabs,caption,graphicx,microtype,xcolor}
\\usepackage[numbers]{natbib}
\\usepackage{xr-hyper}
\\usepackage[hidelinks]{hyperref}
\\setcounter{secnumdepth}{5}
\\setcounter{MaxMatrixCols}{30}
\\setlength{\\parindent}{0pt}
\\setlength{\\parskip}{0.5\\baselineskip plus 2pt}
\\emergencystretch=3em

% A character that the fonts lack, by its code point.
\\newcommand{\\missing}[1]{\\texttt{U+#1}\\allowbreak}
\\newcommand{\\deleted}[1]{{\\color{gray}{}#1}}
% A picture of a width, made smaller where the line is shorter.
\\newcommand{\\picturefile}[2]{\\includegraphics[width=\\ifdim#1>\\linewidth\\linewidth\\else#1\\fi,height=0.8\\textheight,keepaspectratio]{#2}}
% Columns of text that break their lines; tables and formulas made smaller where the line is shorter.
\\newcolumntype{P}[1]{>{\\raggedright\\arraybackslash}p{#1\\linewidth}}
\\newsavebox{\\fitbox}
\\newcommand{\\fitted}[1]{\\small\\sbox{\\fitbox}{#1}\\ifdim\\wd\\fitbox>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox{\\fitbox}}\\else\\usebox{\\fitbox}\\fi}
\\newcommand{\\fittedmath}[1]{\\sbox{\\fitbox}{$\\displaystyle #1$}\\ifdim\\wd\\fitbox>0.88\\linewidth\\vcenter{\\hbox{\\resizebox{0.88\\linewidth}{!}{\\usebox{\\fitbox}}}}\\else#1\\fi}
% Code and outputs: a paragraph a line, continued lines indented.
\\newenvironment{codecell}{\\par\\addvspace{0.6\\baselineskip}\\footnotesize\\ttfamily\\raggedright\\frenchspacing\\setlength{\\parskip}{0pt}}{\\par\\addvspace{0.6\\baselineskip}}
\\newenvironment{outputcell}{\\begin{codecell}\\color{darkgray}\\leftskip=1em}{\\end{codecell}}
\\newcommand{\\codeline}[1]{\\hangindent=2em\\hangafter=1\\strut#1\\par}
\\newcommand{\\codebreak}{\\penalty200\\hskip0pt\\relax}
\\newcommand{\\codekeyword}[1]{\\textbf{#1}}
\\newcommand{\\codestring}[1]{{\\color[HTML]{0A5A2A}{}#1}}
\\newcommand{\\codecomment}[1]{{\\color[HTML]{5B6770}{}\\textit{#1}}}
\\newcommand{\\codenumber}[1]{{\\color[HTML]{0B4F8A}{}#1}}
% A number in another report: from its .aux where that has been compiled, else as it was when this was made.
\\newcommand{\\refinother}[3]{\\ifcsname r@#1:#2\\endcsname\\ref{#1:#2}\\else#3\\fi}
`;

function warnings({ warnings }: ReportDocument): string {
  if (!warnings.length) return "";
  const items = [...new Set(warnings)].map((text) => `\\item ${escapeTeX(text)}`);
  return `To know before reading:\n\\begin{itemize}\n${items.join("\n")}\n\\end{itemize}`;
}

function provenanceTeX(provenance: Provenance): string {
  const rows = facts(provenance).map(([name, value]) => `\\item[${escapeTeX(name)}] ${escapeTeX(value)}`);
  return `\\section*{Provenance}\n{\\small\\raggedright\n\\begin{description}\n${rows.join("\n")}\n\\end{description}}`;
}
