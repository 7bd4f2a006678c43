/**
 * Licence classes. A checkpoint is as red as its reddest input.
 * green: weights ship, attribution in the card. amber: weights ship as a separate file under the same licence, never called Apache-2.0.
 * red: loader, script and measured score only.
 */
export type LicenceClass = 'green' | 'amber' | 'red';

interface LicenceRow {
  readonly licence: string;
  readonly class: LicenceClass;
  readonly why?: string;
}

/** By SPDX identifier where there is one. What is not listed here is red. */
export const LICENCES: readonly LicenceRow[] = [
  { licence: 'public-domain', class: 'green' },
  { licence: 'generated', class: 'green', why: 'made by a script of this repository' },
  { licence: 'CC0-1.0', class: 'green' },
  { licence: 'CC-BY-3.0', class: 'green' },
  { licence: 'CC-BY-4.0', class: 'green' },
  { licence: 'MIT', class: 'green' },
  { licence: 'BSD-2-Clause', class: 'green' },
  { licence: 'BSD-3-Clause', class: 'green' },
  { licence: 'Apache-2.0', class: 'green' },
  { licence: 'ODC-By-1.0', class: 'green' },
  { licence: 'CC-BY-SA-3.0', class: 'amber' },
  { licence: 'CC-BY-SA-4.0', class: 'amber' },
  { licence: 'ODbL-1.0', class: 'amber' },
  { licence: 'CC-BY-NC-4.0', class: 'red', why: 'non-commercial' },
  { licence: 'CC-BY-ND-4.0', class: 'red', why: 'no derivatives' },
  { licence: 'CC-BY-NC-SA-4.0', class: 'red', why: 'non-commercial' },
  { licence: 'CC-BY-NC-ND-4.0', class: 'red', why: 'non-commercial, no derivatives' },
  { licence: 'research-only', class: 'red' },
  { licence: 'do-not-republish', class: 'red' },
  { licence: 'unknown-subject', class: 'red' },
  { licence: 'none-stated', class: 'red' },
];

/** Data sets whose class was decided by reading their own terms; a card that names one must agree. */
export const DATA_SETS: Readonly<Record<string, LicenceClass>> = {
  'beijing-pm25': 'green',
  nab: 'green',
  univariate: 'green',
  adult: 'green',
  'california-housing': 'green',
  tinyshakespeare: 'green',
  'digits-8x8': 'green',
  mnist: 'amber',
  'moving-digits': 'amber',
  fsdd: 'amber',
  'jsb-chorales': 'green',
  'music-speech-silence': 'green',
  'pneumonia-mnist': 'green',
  'ecg-record-100': 'green',
  splice: 'green',
  genomes: 'green',
  phantoms: 'green',
  esol: 'green',
  tox21: 'green',
  hiv: 'green',
  'pubchem-smiles': 'green',
  'online-retail': 'green',
  donateacry: 'amber',
  etth1: 'red',
  'exchange-rate': 'red',
  m4: 'red',
  imdb: 'red',
  brown: 'red',
  'zinc-250k': 'red',
};

/** The class of a licence; a licence that is not in the table is red. */
export function classOf(licence: string): LicenceClass {
  return LICENCES.find((row) => row.licence.toLowerCase() === licence.toLowerCase())?.class ?? 'red';
}

const ORDER: readonly LicenceClass[] = ['green', 'amber', 'red'];

/** The reddest of several classes; green for none. */
export function reddest(classes: readonly LicenceClass[]): LicenceClass {
  return ORDER[Math.max(0, ...classes.map((name) => ORDER.indexOf(name)))]!;
}
