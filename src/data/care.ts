const young =
  /\b(?:child(?:ren|hood|s)?|kids?|minors?|under ?age[d]?|teen(?:s|age[dr]?s?|agers?)?|preteens?|tweens?|toddlers?|bab(?:y|ies)|infants?|boys?|girls?|school(?:boy|girl|kid|child)(?:s|ren)?|pupils?|juveniles?|adolescents?|kindergart\w*|(?:[1-9]|1[0-7])[- ]years?[- ]olds?)\b/i;
const sexual =
  /\b(?:sex\w*|porn\w*|nud(?:e|es|ity|ist)|naked|erotic\w*|explicit|groom(?:s|ed|ing|er|ers)?|intimate|rap(?:e|ed|es|ing|ist|ists)|molest\w*|incest\w*|obscen\w*|seduc\w*|prostitut\w*|fetish\w*|orgasm\w*|genital\w*)\b/i;
const always = /\b(?:p(?:a)?edo(?:phil\w*|s)?|lolitas?|csam|jailbait)\b/i;

/**
 * True when a text speaks of young people and of sex at once. Such prompts are in no set here, not even as something to refuse: a word
 * list, which errs towards leaving harmless text out.
 */
export function sexualisesMinors(text: string): boolean {
  return always.test(text) || (young.test(text) && sexual.test(text));
}
