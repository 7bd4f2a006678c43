/** The survey's three paradigms, and its fourth branch. */
export type Paradigm = 'structural' | 'gating' | 'recurrent' | 'misc';

/** What a member promises about its state; the same fields as `LayerCapabilities` of a layer. */
export interface Capabilities {
  readonly state: 'constant' | 'growing' | 'none';
  readonly causal: boolean;
  readonly maximumLength?: number;
  readonly runtime: boolean;
}

export type Status = 'implemented' | 'planned';

/** Golden cases that a member is held against. */
export interface GoldenCoverage {
  readonly family: string;
  /** Beginnings of case names, where the family serves several members. Default: every case. */
  readonly cases?: readonly string[];
}

/** Where the code is. */
export interface Implementation {
  /** From the repository's root. */
  readonly file: string;
  /** Name in the mixer registry; capabilities are read from there. */
  readonly mixer?: string;
  /** Further mixers of the same member: another measure, another block around it, a part of it by itself. */
  readonly variants?: readonly string[];
}

/** One state space model, as data. */
export interface Member {
  /** Stable name for commands and files, in kebab-case. */
  readonly key: string;
  /** As in its paper. */
  readonly name: string;
  /** Other spellings, the survey's among them. */
  readonly aliases: readonly string[];
  readonly paradigm: Paradigm;
  readonly year: number;
  readonly paper: { readonly title: string; readonly id: string };
  /** x[t] input, h[t] state, y[t] output; . elementwise, * convolution, ^T transposed. */
  readonly equation: string;
  /** One layer over L steps, and one step after any number of steps. */
  readonly cost: { readonly training: string; readonly step: string };
  /** Given exactly where no mixer of the registry says it. */
  readonly capabilities?: Capabilities;
  readonly implementation: Implementation;
  readonly golden: readonly GoldenCoverage[];
  /** Given exactly where no mixer of the registry says it. */
  readonly status?: Status;
  /** What a reader must know: the variant chosen, where the reference code differs from its paper. */
  readonly note?: string;
}

/** `arXiv 2312.00752` as an address; undefined for a paper that has no arXiv id. */
export function paperAddress(id: string): string | undefined {
  const number = /^arXiv (\d{4}\.\d{4,5})$/.exec(id)?.[1];
  return number === undefined ? undefined : `https://arxiv.org/abs/${number}`;
}
