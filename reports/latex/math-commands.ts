/** The commands that a formula may hold: known both to KaTeX and to LaTeX with amsmath and amssymb. Whatever is not here never reaches TeX. */

const names = (text: string): string[] => text.trim().split(/\s+/);

/** Commands without arguments. */
export const SYMBOLS: ReadonlySet<string> = new Set(
  names(`
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi pi varpi rho varrho sigma varsigma tau upsilon
    phi varphi chi psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    varGamma varDelta varTheta varLambda varXi varPi varSigma varUpsilon varPhi varPsi varOmega
    aleph beth gimel daleth ell hbar hslash imath jmath wp Re Im partial nabla infty emptyset varnothing forall exists nexists complement
    top bot angle measuredangle sphericalangle triangle triangledown square Box lozenge blacksquare blacklozenge blacktriangle blacktriangledown bigstar
    prime backprime surd flat natural sharp clubsuit diamondsuit heartsuit spadesuit checkmark mho eth Finv Game circledS circledR yen
    S P dag ddag neg lnot backslash diagup diagdown
    pm mp times div ast star circ bullet cdot cap cup uplus sqcap sqcup vee lor wedge land setminus smallsetminus wr amalg oplus ominus otimes oslash
    odot dagger ddagger diamond bigtriangleup bigtriangledown triangleleft triangleright lhd rhd unlhd unrhd dotplus barwedge veebar doublebarwedge
    boxplus boxminus boxtimes boxdot divideontimes ltimes rtimes leftthreetimes rightthreetimes curlywedge curlyvee circleddash circledast circledcirc
    centerdot intercal Cap Cup bigcirc
    leq le geq ge neq ne equiv sim nsim simeq approx cong ncong doteq propto ll gg lll ggg prec succ preceq succeq in ni owns notin subset supset subseteq
    supseteq nsubseteq nsupseteq subsetneq supsetneq sqsubset sqsupset sqsubseteq sqsupseteq mid nmid parallel nparallel perp vdash dashv models
    vDash Vdash Vvdash nvdash nvDash nVdash nVDash smile frown bowtie Join asymp leqq geqq leqslant geqslant lesssim gtrsim lessapprox gtrapprox
    lessgtr gtrless lesseqgtr gtreqless lessdot gtrdot nless ngtr nleq ngeq lneq gneq lneqq gneqq lnsim gnsim nprec nsucc npreceq nsucceq
    precsim succsim preccurlyeq succcurlyeq curlyeqprec curlyeqsucc precnsim succnsim approxeq thicksim thickapprox triangleq circeq eqcirc bumpeq Bumpeq
    doteqdot risingdotseq fallingdotseq backsim backsimeq subseteqq supseteqq subsetneqq supsetneqq Subset Supset
    vartriangle vartriangleleft vartriangleright trianglelefteq trianglerighteq ntriangleleft ntriangleright ntrianglelefteq ntrianglerighteq
    blacktriangleleft blacktriangleright between pitchfork varpropto therefore because backepsilon eqsim shortmid shortparallel multimap not
    leftarrow gets rightarrow to leftrightarrow uparrow downarrow updownarrow Leftarrow Rightarrow Leftrightarrow Uparrow Downarrow Updownarrow
    longleftarrow longrightarrow longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow iff implies impliedby mapsto longmapsto
    hookleftarrow hookrightarrow leftharpoonup leftharpoondown rightharpoonup rightharpoondown rightleftharpoons leftrightharpoons nearrow searrow
    swarrow nwarrow nleftarrow nrightarrow nleftrightarrow nLeftarrow nRightarrow nLeftrightarrow leftleftarrows rightrightarrows leftrightarrows
    rightleftarrows upuparrows downdownarrows twoheadleftarrow twoheadrightarrow leftarrowtail rightarrowtail looparrowleft looparrowright
    curvearrowleft curvearrowright circlearrowleft circlearrowright upharpoonleft upharpoonright downharpoonleft downharpoonright restriction
    rightsquigarrow leadsto leftrightsquigarrow Lleftarrow Rrightarrow Lsh Rsh dashrightarrow dashleftarrow
    sum prod coprod int iint iiint oint bigcap bigcup bigsqcup bigvee bigwedge bigodot bigotimes bigoplus biguplus smallint
    arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf injlim ker lg lim liminf limsup ln log max min Pr projlim sec sin sinh sup
    tan tanh varinjlim varliminf varlimsup varprojlim
    ldots cdots vdots ddots dots dotsb dotsc dotsi dotsm dotso colon
    lbrace rbrace lbrack rbrack langle rangle lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert lgroup rgroup lmoustache rmoustache
    ulcorner urcorner llcorner lrcorner
    quad qquad enspace thinspace medspace thickspace negthinspace negmedspace negthickspace
    displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits nonumber notag hline bmod mathstrut allowbreak nobreak
    rm bf it sf tt cal
  `),
);

/** Control symbols: spaces and escaped characters. */
export const CONTROL_SYMBOLS: ReadonlySet<string> = new Set([",", ":", ";", "!", ">", " ", "\n", "{", "}", "%", "&", "#", "$", "_", "|"]);

/** Commands with arguments, all of them formulas; a star may be part of the name. */
export const CONSTRUCTS: Readonly<Record<string, number>> = Object.fromEntries([
  ...names(`
    mathrm mathit mathbf mathnormal mathbb mathcal mathfrak mathsf mathtt boldsymbol pmb
    hat widehat tilde widetilde bar vec dot ddot dddot ddddot acute grave breve check mathring
    overline underline overrightarrow overleftarrow overleftrightarrow underrightarrow underleftarrow underleftrightarrow overbrace underbrace
    sqrt xleftarrow xrightarrow operatorname operatorname* pmod pod mod boxed substack
    phantom hphantom vphantom smash mathord mathbin mathrel mathop mathopen mathclose mathpunct mathinner
  `).map((name) => [name, 1]),
  ...names("frac dfrac tfrac cfrac binom dbinom tbinom overset underset stackrel").map((name) => [name, 2]),
]);

/** Those of them that may have one in brackets. */
export const WITH_OPTION: ReadonlySet<string> = new Set(["sqrt", "xleftarrow", "xrightarrow"]);

/** Commands whose argument is text. */
export const TEXTS: ReadonlySet<string> = new Set(names("text textrm textbf textit texttt textsf textnormal textup textmd emph"));

/** Commands that a delimiter follows. */
export const BEFORE_DELIMITER: ReadonlySet<string> = new Set(
  names("left right middle big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm Biggm"),
);

/** Other names for the above, and KaTeX's commands that LaTeX lacks. */
export const ALIASES: Readonly<Record<string, string>> = {
  bm: "\\boldsymbol",
  bold: "\\mathbf",
  Bbb: "\\mathbb",
  frak: "\\mathfrak",
  mathscr: "\\mathcal",
  lt: "<",
  gt: ">",
  N: "\\mathbb{N}",
  R: "\\mathbb{R}",
  Z: "\\mathbb{Z}",
  Complex: "\\mathbb{C}",
  argmax: "\\operatorname*{arg\\,max}",
  argmin: "\\operatorname*{arg\\,min}",
  coloneqq: "\\mathrel{:=}",
  eqqcolon: "\\mathrel{=:}",
  empty: "\\emptyset",
  infin: "\\infty",
  rarr: "\\rightarrow",
  larr: "\\leftarrow",
  exist: "\\exists",
};

/** Environments: what they are in LaTeX inside of a formula, and how many columns they take. */
export const ENVIRONMENTS: Readonly<Record<string, { name: string; columns: number; argument?: RegExp }>> = {
  ...Object.fromEntries(names("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix").map((name) => [name, { name, columns: 30 }])),
  cases: { name: "cases", columns: 2 },
  array: { name: "array", columns: 30, argument: /^[lcr| ]{1,60}$/ },
  ...Object.fromEntries(names("aligned align align* split").map((name) => [name, { name: "aligned", columns: 20 }])),
  ...Object.fromEntries(
    names("alignedat alignat alignat*").map((name) => [name, { name: "alignedat", columns: 20, argument: /^\d{1,2}$/ }]),
  ),
  ...Object.fromEntries(names("gathered gather gather* equation equation*").map((name) => [name, { name: "gathered", columns: 1 }])),
};
