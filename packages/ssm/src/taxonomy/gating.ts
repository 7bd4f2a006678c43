import type { Member } from './member.ts';

const LAYERS = 'packages/ssm/src/layers';

/** Models whose memory or output is gated by the input. */
export const GATING: readonly Member[] = [
  {
    key: 'gss', name: 'GSS', aliases: ['Gated State Space'], paradigm: 'gating', year: 2022,
    paper: { title: 'Long Range Language Modeling via Gated State Spaces', id: 'arXiv 2206.13947' },
    equation: 'u = gelu(W1 x), v = gelu(W2 x), y = DSS(v), out = W4 ((W3 y) . u) + x',
    cost: { training: 'O(L log L) for each channel of the narrow branch', step: 'O(N) for each channel' },
    implementation: { file: `${LAYERS}/gss.ts`, mixer: 'gss' }, golden: [{ family: 'block_gss' }],
  },
  {
    key: 'bigs', name: 'BiGS', aliases: ['Bidirectional Gated SSM'], paradigm: 'gating', year: 2022,
    paper: { title: 'Pretraining Without Attention', id: 'arXiv 2212.10544' },
    equation: 'out = W (gate(x) . (SSM(x) . reverse(SSM(reverse(x))))): two state space models, one each way, and multiplicative gates',
    cost: { training: 'O(L log L) for each channel', step: 'none: reads both ways' },
    capabilities: { state: 'none', causal: false, runtime: false },
    implementation: { file: `${LAYERS}/bigs.ts` }, golden: [], status: 'planned',
  },
  {
    key: 'mega', name: 'Mega', aliases: ['Moving average equipped gated attention'], paradigm: 'gating', year: 2022,
    paper: { title: 'Mega: Moving Average Equipped Gated Attention', id: 'arXiv 2209.10655' },
    equation: 'K[t] = sum_n gamma_n sqrt(1/N) p_n beta_n q_n^t, p = sigmoid(delta), q = 1 - p sigmoid(alpha); single-head attention on K * x with reset and update gates',
    cost: { training: 'O(L^2)', step: 'O(L)' },
    implementation: { file: `${LAYERS}/mega.ts`, mixer: 'mega', variants: ['mega-ema'] },
    golden: [{ family: 'kernel_ema' }, { family: 'mega_ema' }, { family: 'block_mega' }, { family: 'fftconv', cases: ['fftconv_ema'] }],
  },
  {
    key: 'mega-chunk', name: 'Mega-chunk', aliases: [], paradigm: 'gating', year: 2022,
    paper: { title: 'Mega: Moving Average Equipped Gated Attention', id: 'arXiv 2209.10655' },
    equation: 'Mega with attention inside chunks of Q steps; the moving average alone crosses their borders',
    cost: { training: 'O(L Q)', step: 'O(Q)' },
    implementation: { file: `${LAYERS}/mega.ts`, mixer: 'mega-chunk' }, golden: [{ family: 'kernel_ema' }, { family: 'mega_ema' }],
  },
  {
    key: 'tnn', name: 'TNN', aliases: ['Toeplitz Neural Network'], paradigm: 'gating', year: 2023,
    paper: { title: 'Toeplitz Neural Network for Sequence Modeling', id: 'arXiv 2305.04749' },
    equation: 'T[i,j] = gamma^|i-j| MLP(i - j); out = W (act(Wu x) . T act(Wv x))',
    cost: { training: 'O(L log L) for each channel', step: 'O(L) for each channel' },
    implementation: { file: `${LAYERS}/tnn.ts`, mixer: 'tnn' }, golden: [],
    note: "The survey's figure dates it 2022, the year it was submitted.",
  },
  {
    key: 'mamba', name: 'Mamba (S6)', aliases: ['Mamba', 'S6', 'selective state space'], paradigm: 'gating', year: 2023,
    paper: { title: 'Mamba: Linear-Time Sequence Modeling with Selective State Spaces', id: 'arXiv 2312.00752' },
    equation: 'dt[t] = softplus(W x[t] + b), B[t] and C[t] linear in x[t]; h[t] = exp(dt[t] A) . h[t-1] + dt[t] B[t] x[t], y[t] = C[t]^T h[t] + D x[t]; conv(4) and SiLU before, gate SiLU(z) after',
    cost: { training: 'O(L E N)', step: 'O(E N), and the convolution tail' },
    implementation: { file: `${LAYERS}/mamba.ts`, mixer: 'mamba' },
    golden: [{ family: 'selective_scan' }, { family: 'selective_state_update' }, { family: 'causal_conv1d' }, { family: 'block_mamba', cases: ['mamba1_'] }, { family: 'mamba_ssm_models', cases: ['mamba_ssm_mamba1'] }],
  },
  {
    key: 'mamba2', name: 'Mamba-2 (SSD)', aliases: ['Mamba-2', 'SSD', 'state space duality'], paradigm: 'gating', year: 2024,
    paper: { title: 'Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured State Space Duality', id: 'arXiv 2405.21060' },
    equation: 'h[t] = exp(dt[t] a) h[t-1] + dt[t] B[t] x[t]^T with one decay a head and a state of N x P, y[t] = h[t]^T C[t] + D x[t]; gated RMS norm after',
    cost: { training: 'O(L E (N + Q)) as matrix products over chunks of Q', step: 'O(E N), and the convolution tail' },
    implementation: { file: `${LAYERS}/mamba2.ts`, mixer: 'mamba2' },
    golden: [{ family: 'ssd' }, { family: 'block_mamba', cases: ['mamba2_'] }, { family: 'mamba_ssm_models', cases: ['mamba_ssm_mamba2'] }],
  },
  {
    key: 'mamba3', name: 'Mamba-3', aliases: ['Mamba 3'], paradigm: 'gating', year: 2026,
    paper: { title: 'Mamba-3: Improved Sequence Modeling using State Space Principles', id: 'arXiv 2603.15569' },
    equation: 'h[t] = alpha[t] h[t-1] + beta[t] B[t-1] x[t-1]^T + gamma[t] B[t] x[t]^T (trapezoidal rule), B and C rotated by accumulated angles (complex states), rank R inputs and outputs (MIMO)',
    cost: { training: 'O(L E (N + Q) R) over chunks of Q', step: 'O(E N R)' },
    implementation: { file: `${LAYERS}/mamba3.ts`, mixer: 'mamba3' }, golden: [{ family: 'mamba3' }, { family: 'block_mamba', cases: ['mamba3_'] }],
  },
];
