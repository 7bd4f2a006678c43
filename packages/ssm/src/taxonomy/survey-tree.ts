/** A model in the survey's tree. */
export interface SurveyNode {
  /** As the survey's figure spells it. */
  readonly name: string;
  readonly year: number;
  /** Key of the member it is. */
  readonly member: string;
  /** Nodes of the figure from which an arrow leads here. */
  readonly from: readonly string[];
}

/** A branch, with the nodes below it in the figure's order. `heading` stands above nodes and is no model. */
export interface SurveyBranch {
  readonly name: string;
  readonly nodes: readonly (SurveyNode & { readonly heading?: string })[];
}

const node = (name: string, year: number, member: string, ...from: string[]): SurveyNode => ({ name, year, member, from });
const under = (heading: string, nodes: readonly SurveyNode[]): (SurveyNode & { heading: string })[] => nodes.map((one) => ({ ...one, heading }));

/**
 * The 22 models of the survey's tree under the survey's names, with its arrows.
 *
 * @see Patro and Agneeswaran 2024, arXiv 2404.16112, figure of the basic models (badripatro/mamba360, images/ssm_basic.jpg).
 */
export const SURVEY_TREE: readonly SurveyBranch[] = [
  {
    name: 'Structured SSMs',
    nodes: [
      node('HiPPO', 2020, 'hippo'),
      node('S4', 2021, 's4', 'HiPPO'),
      node('S5', 2022, 's5', 'S4', 'LD-Stack'),
      node('Liquid-S4', 2022, 'liquid-s4', 'S4'),
      node('S4nD', 2022, 's4nd', 'S4'),
      node('DSS', 2022, 'dss', 'S4'),
      node('LD-Stack', 2020, 'ldstack'),
      node('H3', 2022, 'h3', 'HiPPO'),
      node('Hyena', 2023, 'hyena'),
      ...under('Global Conv', [node('SG-Conv', 2022, 'sgconv'), node('Long Conv', 2023, 'long-conv'), node('FlashFFTConv', 2023, 'flashfftconv')]),
    ],
  },
  {
    name: 'Gated SSMs',
    nodes: [node('Mamba', 2023, 'mamba', 'HiPPO'), node('GSS', 2022, 'gss', 'DSS'), node('Mega', 2022, 'mega'), node('TNN', 2022, 'tnn')],
  },
  {
    name: 'Recurrent SSMs',
    nodes: [node('RWKV', 2023, 'rwkv4'), node('LRU', 2023, 'lru'), node('HGRN', 2023, 'hgrn', 'Gated SSMs')],
  },
  {
    name: 'Misc. SSMs',
    nodes: [node('Mamba-MoE', 2024, 'moe-mamba'), node('MambaFormer', 2024, 'mambaformer'), node('Mamba-Byte', 2024, 'mambabyte')],
  },
];

/** The survey's name of a member, where the tree has it. */
export function surveyNodeOf(key: string): SurveyNode | undefined {
  return SURVEY_TREE.flatMap(({ nodes }) => nodes).find(({ member }) => member === key);
}
