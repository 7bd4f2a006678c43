import type { Member } from './member.ts';

const LAYERS = 'packages/ssm/src/layers';
const MODELS = 'packages/ssm/src/models';

/** Models that combine state space layers with something else, wrappers, and the baselines they are held against. */
export const HYBRID: readonly Member[] = [
  {
    key: 'moe-mamba', name: 'MoE-Mamba', aliases: ['Mamba-MoE'], paradigm: 'misc', year: 2024,
    paper: { title: 'MoE-Mamba: Efficient Selective State Space Models with Mixture of Experts', id: 'arXiv 2401.04081' },
    equation: 'Mamba layers in turn with a feed-forward layer that sends each step to one of many experts',
    cost: { training: 'as Mamba, and O(L D^2) for one expert', step: 'as Mamba, and O(D^2) for one expert' },
    implementation: { file: `${MODELS}/moe-mamba.ts`, mixer: 'moe-mamba' }, golden: [],
  },
  {
    key: 'blackmamba', name: 'BlackMamba', aliases: ['Black Mamba'], paradigm: 'misc', year: 2024,
    paper: { title: 'BlackMamba: Mixture of Experts for State-Space Models', id: 'arXiv 2402.01771' },
    equation: 'Mamba blocks in turn with expert blocks, each with its own norm and residual',
    cost: { training: 'as MoE-Mamba', step: 'as MoE-Mamba' },
    implementation: { file: `${MODELS}/blackmamba.ts`, mixer: 'blackmamba' }, golden: [],
  },
  {
    key: 'mambaformer', name: 'MambaFormer', aliases: ['Mamba-Former'], paradigm: 'misc', year: 2024,
    paper: { title: 'Can Mamba Learn How to Learn? A Comparative Study on In-Context Learning Tasks', id: 'arXiv 2402.04248' },
    equation: 'a Mamba layer in place of positions, then blocks of attention and Mamba',
    cost: { training: 'O(L^2) for the attention', step: 'O(L)' },
    implementation: { file: `${MODELS}/mambaformer.ts`, mixer: 'mambaformer' }, golden: [],
  },
  {
    key: 'mambabyte', name: 'MambaByte', aliases: ['Mamba-Byte'], paradigm: 'misc', year: 2024,
    paper: { title: 'MambaByte: Token-free Selective State Space Model', id: 'arXiv 2401.13660' },
    equation: 'Mamba over raw bytes: a vocabulary of 256',
    cost: { training: 'as Mamba', step: 'as Mamba' },
    capabilities: { state: 'constant', causal: true, runtime: false },
    implementation: { file: `${MODELS}/mambabyte.ts` }, golden: [], status: 'implemented', note: 'A preset of the backbone.',
  },
  {
    key: 'densemamba', name: 'DenseMamba', aliases: ['DenseSSM'], paradigm: 'misc', year: 2024,
    paper: { title: 'DenseMamba: State Space Models with Dense Hidden Connection for Efficient Large Language Models', id: 'arXiv 2403.00818' },
    equation: 'the hidden state of a layer and, projected and gated, those of the layers before it are read together',
    cost: { training: 'as Mamba, times the layers joined', step: 'as Mamba, times the layers joined' },
    implementation: { file: `${MODELS}/densemamba.ts`, mixer: 'densemamba' }, golden: [],
  },
  {
    key: 'jamba', name: 'Jamba', aliases: ['Mamba and attention interleaved'], paradigm: 'misc', year: 2024,
    paper: { title: 'Jamba: A Hybrid Transformer-Mamba Language Model', id: 'arXiv 2403.19887' },
    equation: 'one attention layer to seven Mamba layers, experts in every second feed-forward layer',
    cost: { training: 'as Mamba, and O(L^2) for one layer in eight', step: 'as Mamba, and O(L) for one layer in eight' },
    implementation: { file: `${MODELS}/jamba.ts`, mixer: 'jamba' }, golden: [],
    note: 'The layout; published checkpoints also norm dt, B and C and are not read.',
  },
  {
    key: 'bidirectional', name: 'Bidirectional wrapper', aliases: ['Vim', 'Caduceus', 'BiMamba'], paradigm: 'misc', year: 2024,
    paper: { title: 'Caduceus: Bi-Directional Equivariant Long-Range DNA Sequence Modeling', id: 'arXiv 2403.03234' },
    equation: 'y = f(x) + reverse(g(reverse(x))), or both side by side, or the reverse-complement of one set of weights',
    cost: { training: 'twice that of its layer', step: 'none: reads both ways' },
    implementation: { file: `${LAYERS}/bidirectional.ts`, mixer: 'bidirectional' }, golden: [], note: 'Promises symmetry under reversal of the sequence instead of the law of state.',
  },
  {
    key: 'multi-directional', name: 'Multi-directional wrapper', aliases: ['cross scan', 'SS2D', 'VMamba'], paradigm: 'misc', year: 2024,
    paper: { title: 'VMamba: Visual State Space Model', id: 'arXiv 2401.10166' },
    equation: 'y = sum over scan orders s of s^-1(f(s(x))): rows, columns and both reversed',
    cost: { training: 'that of its layer, times the scan orders', step: 'none: reads every way' },
    implementation: { file: `${LAYERS}/multi-directional.ts`, mixer: 'multi-directional' }, golden: [], note: 'Promises symmetry under the flips of its scan orders instead of the law of state.',
  },
  {
    key: 'transformer-decoder', name: 'Transformer decoder', aliases: ['Transformer', 'attention'], paradigm: 'misc', year: 2017,
    paper: { title: 'Attention Is All You Need', id: 'arXiv 1706.03762' },
    equation: 'y[t] = sum_{i<=t} softmax_i(q[t] k[i]^T / sqrt(K)) v[i], a head at a time; feed-forward after',
    cost: { training: 'O(L^2 D)', step: 'O(L D)' },
    implementation: { file: `${MODELS}/transformer.ts`, mixer: 'transformer-decoder', variants: ['attention', 'sliding-attention'] }, golden: [], note: 'The baseline.',
  },
  {
    key: 'transformer-encoder', name: 'Transformer encoder', aliases: [], paradigm: 'misc', year: 2017,
    paper: { title: 'Attention Is All You Need', id: 'arXiv 1706.03762' },
    equation: 'as the decoder with every step seeing every other',
    cost: { training: 'O(L^2 D)', step: 'none: reads both ways' },
    implementation: { file: `${MODELS}/transformer.ts`, mixer: 'bidirectional-transformer' }, golden: [], note: 'The baseline of the tasks that may read both ways.',
  },
];
