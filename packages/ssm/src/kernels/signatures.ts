/**
 * The contract between TypeScript and C: for each kernel its buffers, integers and scalars in order. C reads them from
 * `struct call { void *in[]; void *out[]; int32 integers[]; float scalars[] }` by the same positions (`kernels/signatures.h`).
 *
 * Letters: B batch, L length, E channels, N state size, G groups, W kernel width, Q chunk length, H heads (blocks), P head width.
 * All float buffers are float32, row-major, last axis fastest. A trailing `?` marks a buffer that may be null.
 *
 * `control` [B, L] uint8: bit 0 set = this step is masked (state, convolution tail and recurrence unchanged, output 0, no gradient);
 * bit 1 set = the state is reset to zero before this step (segment boundary). Null = every step counts, no reset.
 */
export const SIGNATURES = {
  /**
   * h[t] = exp(dt[t] A) h[t-1] + dt[t] B[t] u[t];  y[t] = (C[t] . h[t] + D u[t]) * silu(z[t]);  dt = softplus?(delta + deltaBias).
   * groups = 0: B (or C) is constant, [E, N]; groups >= 1: [B, L, G, N], channel e belongs to group floor(e / (E / G)).
   * stateEvery: 0 = no `states`; q = states after steps q, 2q, ..., and the last one: [B, ceil(L / q), E, N].
   */
  selectiveScanForward: {
    inputs: ['u [B,L,E]', 'delta [B,L,E]', 'A [E,N]', 'B', 'C', 'D? [E]', 'z? [B,L,E]', 'deltaBias? [E]', 'initialState? [B,E,N]', 'control? [B,L]'],
    outputs: ['y [B,L,E]', 'finalState [B,E,N]', 'states?'],
    integers: ['B', 'L', 'E', 'N', 'groupsB', 'groupsC', 'softplus', 'stateEvery'],
  },
  /** Gradient of the above. dStates as `states`, added to dFinalState where both speak of the last step. Null outputs are skipped. */
  selectiveScanBackward: {
    inputs: ['u', 'delta', 'A', 'B', 'C', 'D?', 'z?', 'deltaBias?', 'initialState?', 'control?', 'dy [B,L,E]', 'dFinalState? [B,E,N]', 'dStates?'],
    outputs: ['du', 'dDelta', 'dA', 'dB', 'dC', 'dD?', 'dz?', 'dDeltaBias?', 'dInitialState?'],
    integers: ['B', 'L', 'E', 'N', 'groupsB', 'groupsC', 'softplus', 'stateEvery'],
  },
  /** Complex A (and so h, and B, C where given as pairs): y = 2 Re(C . h) as the official operator. Every complex tensor is two buffers re, im. */
  selectiveScanComplexForward: {
    inputs: ['u', 'delta', 'ARe', 'AIm', 'BRe', 'BIm?', 'CRe', 'CIm?', 'D?', 'z?', 'deltaBias?', 'initialRe?', 'initialIm?', 'control?'],
    outputs: ['y', 'finalRe', 'finalIm', 'statesRe?', 'statesIm?'],
    integers: ['B', 'L', 'E', 'N', 'groupsB', 'groupsC', 'softplus', 'stateEvery'],
  },
  selectiveScanComplexBackward: {
    inputs: ['u', 'delta', 'ARe', 'AIm', 'BRe', 'BIm?', 'CRe', 'CIm?', 'D?', 'z?', 'deltaBias?', 'initialRe?', 'initialIm?', 'control?', 'dy', 'dFinalRe?', 'dFinalIm?', 'dStatesRe?', 'dStatesIm?'],
    outputs: ['du', 'dDelta', 'dARe', 'dAIm', 'dBRe', 'dBIm?', 'dCRe', 'dCIm?', 'dD?', 'dz?', 'dDeltaBias?', 'dInitialRe?', 'dInitialIm?'],
    integers: ['B', 'L', 'E', 'N', 'groupsB', 'groupsC', 'softplus', 'stateEvery'],
  },
  /**
   * y[t, e] = act(bias[e] + sum_w weight[e, w] x[t - W + 1 + w, e]); steps before the first come from `tail` (oldest first), zeros where null.
   * Masked steps are left out of the window as if they did not exist; a reset empties the window. finalTail = last W - 1 counted inputs.
   */
  causalConv1dForward: {
    inputs: ['x [B,L,E]', 'weight [E,W]', 'bias? [E]', 'tail? [B,W-1,E]', 'control? [B,L]'],
    outputs: ['y [B,L,E]', 'finalTail [B,W-1,E]'],
    integers: ['B', 'L', 'E', 'W', 'silu'],
  },
  causalConv1dBackward: {
    inputs: ['x', 'weight', 'bias?', 'tail?', 'control?', 'dy', 'dFinalTail?'],
    outputs: ['dx', 'dWeight', 'dBias?', 'dTail?'],
    integers: ['B', 'L', 'E', 'W', 'silu'],
  },
  /** y = x weight^T + bias, each sum along D first to last. */
  linearForward: {
    inputs: ['x [R,D]', 'weight [M,D]', 'bias? [M]'],
    outputs: ['y [R,M]'],
    integers: ['R', 'D', 'M'],
  },
  linearBackward: {
    inputs: ['x', 'weight', 'dy [R,M]'],
    outputs: ['dx? [R,D]', 'dWeight? [M,D]', 'dBias? [M]'],
    integers: ['R', 'D', 'M'],
  },
  /**
   * y[t, m, e] = postGate[t, m, e] (sum_j kernel[m, e, j] v[t + centre - j, e] + D[m, e] v[t, e]),  v = preGate * u. Before the first step stand the K - 1 values of
   * `history` (v, oldest first), zeros where null; needs centre 0. Masked steps are left out as if they did not exist; a reset cuts the sequence. finalHistory = last
   * K - 1 counted values of v. An image is L = rows x columns with kernel K = kernelRows x kernelColumns; a sequence has columns = L and kernelColumns = K.
   * method: 0 by cost, 1 direct sums, 2 FFT.
   */
  fftConvolutionForward: {
    inputs: ['u [B,L,E]', 'kernel [M,E,K]', 'D? [M,E]', 'preGate? [B,L,E]', 'postGate? [B,L,M,E]', 'history? [B,K-1,E]', 'control? [B,L]'],
    outputs: ['y [B,L,M,E]', 'finalHistory? [B,K-1,E]'],
    integers: ['B', 'L', 'E', 'K', 'M', 'columns', 'kernelColumns', 'centreRow', 'centreColumn', 'method'],
  },
  fftConvolutionBackward: {
    inputs: ['u', 'kernel', 'D?', 'preGate?', 'postGate?', 'history?', 'control?', 'dy', 'dFinalHistory?'],
    outputs: ['du', 'dKernel', 'dD?', 'dPreGate?', 'dPostGate?', 'dHistory?'],
    integers: ['B', 'L', 'E', 'K', 'M', 'columns', 'kernelColumns', 'centreRow', 'centreColumn', 'method'],
  },
  /** y = x / sqrt(mean(x^2 over each of `groups` equal parts of the last axis) + epsilon) * weight. Gate: before = 1: x * silu(z) is normalised, else y * silu(z). */
  rmsNormForward: {
    inputs: ['x [R,D]', 'weight? [D]', 'z? [R,D]', 'bias? [D]'],
    outputs: ['y [R,D]'],
    integers: ['R', 'D', 'groups', 'gateBeforeNorm'],
    scalars: ['epsilon'],
  },
  rmsNormBackward: {
    inputs: ['x', 'weight?', 'z?', 'bias?', 'dy'],
    outputs: ['dx', 'dWeight?', 'dz?', 'dBias?'],
    integers: ['R', 'D', 'groups', 'gateBeforeNorm'],
    scalars: ['epsilon'],
  },
  /**
   * Recurrence with a block-diagonal recurrent matrix. gates = x[t] + recurrentBias + h[t-1] R (per head), kind 0 LSTM (gate order i, f, g, o;
   * c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c)), kind 1 GRU (order r, z, n; n = tanh(x_n + r * (h R_n + b_n)); h = (1 - z) n + z h),
   * kind 2 RNN (h = tanh(gate)), kind 3 sLSTM (order i, f, z, o; exponential gates with the maximum m; h = sigmoid(o) c / n), kind 4 LTC (`unfolds` times
   * h = (h + dt f A) / (1 + dt (rate + f)), f = sigmoid(gate), dt = timeStep / unfolds, constants = [A, rate]).
   * R [H, P, K*P], K = 4, 3, 1, 4, 1; the gate axis of x is [K, H*P]. State: h; LSTM c; sLSTM c, n, m (the others null). E = H * P.
   */
  nonlinearScanForward: {
    inputs: ['x [B,L,K*E]', 'R [H,P,K*P]', 'recurrentBias? [K*E]', 'initialH? [B,E]', 'initialC? [B,E]', 'control? [B,L]', 'initialN? [B,E]', 'initialM? [B,E]', 'constants? [2,E]'],
    outputs: ['h [B,L,E]', 'finalH [B,E]', 'finalC? [B,E]', 'finalN? [B,E]', 'finalM? [B,E]'],
    integers: ['B', 'L', 'H', 'P', 'kind', 'unfolds'],
    scalars: ['timeStep'],
  },
  nonlinearScanBackward: {
    inputs: ['x', 'R', 'recurrentBias?', 'initialH?', 'initialC?', 'control?', 'initialN?', 'initialM?', 'constants?', 'dh [B,L,E]', 'dFinalH? [B,E]', 'dFinalC? [B,E]', 'dFinalN? [B,E]', 'dFinalM? [B,E]'],
    outputs: ['dx', 'dR', 'dRecurrentBias?', 'dInitialH?', 'dInitialC?', 'dInitialN?', 'dInitialM?', 'dConstants?'],
    integers: ['B', 'L', 'H', 'P', 'kind', 'unfolds'],
    scalars: ['timeStep'],
  },
  /**
   * x[t] = a[t] x[t-1] + b[t], every channel by itself. varying 0: a is constant, [E]; 1: [B, L, E]. reverse 1: from the last step to the first;
   * then the initial state stands after the last step, and the final one is x after the first.
   */
  linearScanForward: {
    inputs: ['b [B,L,E]', 'a', 'initialState? [B,E]', 'control? [B,L]'],
    outputs: ['x [B,L,E]', 'finalState [B,E]'],
    integers: ['B', 'L', 'E', 'varying', 'reverse'],
  },
  linearScanBackward: {
    inputs: ['b', 'a', 'initialState?', 'control?', 'dx [B,L,E]', 'dFinalState? [B,E]'],
    outputs: ['db', 'da', 'dInitialState?'],
    integers: ['B', 'L', 'E', 'varying', 'reverse'],
  },
  /** The same for complex a and x, states carried in double; b is real where bIm is null. */
  linearScanComplexForward: {
    inputs: ['bRe', 'bIm?', 'aRe', 'aIm', 'initialRe?', 'initialIm?', 'control?'],
    outputs: ['xRe', 'xIm', 'finalRe', 'finalIm'],
    integers: ['B', 'L', 'E', 'varying', 'reverse'],
  },
  linearScanComplexBackward: {
    inputs: ['bRe', 'bIm?', 'aRe', 'aIm', 'initialRe?', 'initialIm?', 'control?', 'dxRe', 'dxIm', 'dFinalRe?', 'dFinalIm?'],
    outputs: ['dbRe', 'dbIm?', 'daRe', 'daIm', 'dInitialRe?', 'dInitialIm?'],
    integers: ['B', 'L', 'E', 'varying', 'reverse'],
  },
  /**
   * loss[r] = log(sum over v of exp(logits[r, v])) - logits[r, target[r]], logits = x W^T + bias, which are never stored for all rows.
   * A target of -1 is an ignored row: loss 0, no gradient.
   */
  linearCrossEntropyForward: {
    inputs: ['x [R,D]', 'weight [V,D]', 'bias? [V]', 'targets [R] int32'],
    outputs: ['loss [R]'],
    integers: ['R', 'D', 'V'],
  },
  linearCrossEntropyBackward: {
    inputs: ['x', 'weight', 'bias?', 'targets [R] int32', 'dLoss [R]'],
    outputs: ['dx', 'dWeight', 'dBias?'],
    integers: ['R', 'D', 'V'],
  },
  /**
   * K[c, h, l] = sum over n of v[c, h, n] e^(l x[h, n]), complex, calculated in double precision. Its slopes: dv = sum over l of conj(e^(l x)) dK,
   * dx = sum over c, l of l conj(v e^(l x)) dK, with dK = dKRe + i dKIm. Slopes of complex numbers are dLoss/dRe + i dLoss/dIm everywhere here.
   */
  vandermondeForward: {
    inputs: ['vRe [C,H,N] float64', 'vIm float64', 'xRe [H,N] float64', 'xIm float64'],
    outputs: ['KRe [C,H,L]', 'KIm? [C,H,L]'],
    integers: ['C', 'H', 'N', 'L'],
  },
  vandermondeBackward: {
    inputs: ['vRe float64', 'vIm float64', 'xRe float64', 'xIm float64', 'dKRe', 'dKIm?'],
    outputs: ['dvRe float64', 'dvIm float64', 'dxRe float64', 'dxIm float64'],
    integers: ['C', 'H', 'N', 'L'],
  },
  /** out[b, m] = sum over n of v[b, n] / (z[m] - w[b, n]); with `conjugate` also of the conjugate v over z minus the conjugate w. In double precision. */
  cauchyForward: {
    inputs: ['vRe [B,N] float64', 'vIm float64', 'zRe [M] float64', 'zIm float64', 'wRe [B,N] float64', 'wIm float64'],
    outputs: ['re [B,M]', 'im [B,M]'],
    integers: ['B', 'N', 'M', 'conjugate'],
  },
  cauchyBackward: {
    inputs: ['vRe float64', 'vIm float64', 'zRe float64', 'zIm float64', 'wRe float64', 'wIm float64', 'dRe', 'dIm'],
    outputs: ['dvRe [B,N] float64', 'dvIm float64', 'dzRe [B,M] float64', 'dzIm float64', 'dwRe [B,N] float64', 'dwIm float64'],
    integers: ['B', 'N', 'M', 'conjugate'],
  },
  /**
   * S4's kernel: the first L of `nodes` samples of the response whose generating function is B, C of (diag(a) - P P^*) under the bilinear transform,
   * a scaled by the step. rows: B, P_1..R; columns: C_1..C, Q_1..R; one of each conjugate pair. In double precision.
   */
  dplrKernelForward: {
    inputs: ['aRe [H,N] float64', 'aIm float64', 'rowsRe [1+R,H,N] float64', 'rowsIm float64', 'columnsRe [C+R,H,N] float64', 'columnsIm float64'],
    outputs: ['K [C,H,L]'],
    integers: ['H', 'N', 'C', 'R', 'nodes', 'L'],
  },
  dplrKernelBackward: {
    inputs: ['aRe float64', 'aIm float64', 'rowsRe float64', 'rowsIm float64', 'columnsRe float64', 'columnsIm float64', 'dK'],
    outputs: ['daRe float64', 'daIm float64', 'dRowsRe float64', 'dRowsIm float64', 'dColumnsRe float64', 'dColumnsIm float64'],
    integers: ['H', 'N', 'C', 'R', 'nodes', 'L'],
  },
  /**
   * x[t] = a x[t-1] + sum over r of g_r Re(f_r . x[t-1]) + b u[t];  y_c[t] = Re(c_c . x[t]), for each channel h of u. No conjugation in the dots. In
   * double precision; C = 0 leaves the outputs out, R = 0 is a diagonal system.
   */
  stateSpaceScanForward: {
    inputs: ['u [B,L,H]', 'aRe [H,N] float64', 'aIm float64', 'bRe [H,N] float64', 'bIm float64', 'cRe? [C,H,N] float64', 'cIm? float64', 'fRe? [R,H,N] float64', 'fIm? float64', 'gRe? [R,H,N] float64', 'gIm? float64', 'initialRe? [B,H,N]', 'initialIm?', 'control? [B,L]'],
    outputs: ['y? [B,L,C,H]', 'finalRe [B,H,N]', 'finalIm'],
    integers: ['B', 'L', 'H', 'N', 'C', 'R'],
  },
  stateSpaceScanBackward: {
    inputs: ['u', 'aRe float64', 'aIm float64', 'bRe float64', 'bIm float64', 'cRe? float64', 'cIm? float64', 'fRe? float64', 'fIm? float64', 'gRe? float64', 'gIm? float64', 'initialRe?', 'initialIm?', 'control?', 'dy?', 'dFinalRe?', 'dFinalIm?'],
    outputs: ['du', 'daRe float64', 'daIm float64', 'dbRe float64', 'dbIm float64', 'dcRe? float64', 'dcIm? float64', 'dfRe? float64', 'dfIm? float64', 'dgRe? float64', 'dgIm? float64', 'dInitialRe?', 'dInitialIm?'],
    integers: ['B', 'L', 'H', 'N', 'C', 'R'],
  },
  /**
   * The scale-invariant LegS memory: sample t + 1 takes x to (I - alpha A / t)^-1 ((I + (1 - alpha) A / t) x + B / t u), the first to (u, 0, ...);
   * y_c = c_c . x. `steps` holds the samples seen before. In double precision.
   */
  legsScanForward: {
    inputs: ['u [B,L,H]', 'c [C,H,N]', 'initial? [B,H,N]', 'steps? [B] int32', 'control? [B,L]'],
    outputs: ['y [B,L,C,H]', 'final [B,H,N]'],
    integers: ['B', 'L', 'H', 'N', 'C'],
    scalars: ['alpha'],
  },
  legsScanBackward: {
    inputs: ['u', 'c', 'initial?', 'steps? int32', 'control?', 'dy [B,L,C,H]', 'dFinal? [B,H,N]'],
    outputs: ['du', 'dc', 'dInitial?'],
    integers: ['B', 'L', 'H', 'N', 'C'],
    scalars: ['alpha'],
  },
  /**
   * Matrix state S [K, V] of each head. S' = exp(decay) S + a-b rank-one term + k^T v (delta rule: k^T beta (v - k exp(decay) S)); y = scale q S', with
   * `bonus` scale (q S + sum(q bonus k) v). decayKind: 0 none, 1 [H], 2 [H,K], 3 [B,L,H], 4 [B,L,H,K], logarithms. normaliserKind: 0 none, 1 y / (scale q n + epsilon),
   * 2 y / (max(|scale q n|, exp(-m)) + epsilon), n the state of v = 1. inputGate: k times exp(inputGate - m), exp(decay) times exp(m_before - m),
   * m = max(decay + m_before, inputGate). At most one of bonus, beta, (a, b).
   */
  gatedLinearAttentionForward: {
    inputs: ['q [B,L,H,K]', 'k [B,L,H,K]', 'v [B,L,H,V]', 'decay?', 'bonus? [H,K]', 'beta? [B,L,H]', 'a? [B,L,H,K]', 'b? [B,L,H,K]', 'inputGate? [B,L,H]', 'initialState? [B,H,K,V]', 'initialNormaliser? [B,H,K]', 'initialMaximum? [B,H]', 'control? [B,L]'],
    outputs: ['y [B,L,H,V]', 'finalState [B,H,K,V]', 'finalNormaliser? [B,H,K]', 'finalMaximum? [B,H]'],
    integers: ['B', 'L', 'H', 'K', 'V', 'decayKind', 'normaliserKind'],
    scalars: ['scale', 'epsilon'],
  },
  gatedLinearAttentionBackward: {
    inputs: ['q', 'k', 'v', 'decay?', 'bonus?', 'beta?', 'a?', 'b?', 'inputGate?', 'initialState?', 'initialNormaliser?', 'initialMaximum?', 'control?', 'dy [B,L,H,V]', 'dFinalState?', 'dFinalNormaliser?', 'dFinalMaximum?'],
    outputs: ['dq', 'dk', 'dv', 'dDecay?', 'dBonus?', 'dBeta?', 'da?', 'db?', 'dInputGate?', 'dInitialState?', 'dInitialNormaliser?', 'dInitialMaximum?'],
    integers: ['B', 'L', 'H', 'K', 'V', 'decayKind', 'normaliserKind'],
    scalars: ['scale', 'epsilon'],
  },
  /**
   * RWKV-4, per channel: y = (num e^max + e^(bonus + k) v) / (den e^max + e^(bonus + k)); then num, den = e^decay num + e^k v, e^decay den + e^k, kept
   * times e^-max with max the running maximum of the exponents. A denominator <= 0 = nothing was seen.
   */
  wkv4Forward: {
    inputs: ['k [B,L,E]', 'v [B,L,E]', 'decay [E]', 'bonus [E]', 'initialNumerator? [B,E]', 'initialDenominator? [B,E]', 'initialMaximum? [B,E]', 'control? [B,L]'],
    outputs: ['y [B,L,E]', 'finalNumerator [B,E]', 'finalDenominator [B,E]', 'finalMaximum [B,E]'],
    integers: ['B', 'L', 'E'],
  },
  wkv4Backward: {
    inputs: ['k', 'v', 'decay', 'bonus', 'initialNumerator?', 'initialDenominator?', 'initialMaximum?', 'control?', 'dy [B,L,E]', 'dFinalNumerator?', 'dFinalDenominator?', 'dFinalMaximum?'],
    outputs: ['dk', 'dv', 'dDecay', 'dBonus', 'dInitialNumerator?', 'dInitialDenominator?', 'dInitialMaximum?'],
    integers: ['B', 'L', 'E'],
  },
  /**
   * y[t] = softmax-weighted sum of v over the places low to high of the row of t; places: cached keys, then counted steps. `rows` by counted step: step, low, high, row of
   * the rotation tables; then the masked steps. `counts`: counted steps, cached keys, first place the new state keeps, number kept. M = 0: no state.
   */
  attentionForward: {
    inputs: ['q [B,L,H,K]', 'k [B,L,G,K]', 'v [B,L,G,V]', 'keys? [B,M,G,K]', 'values? [B,M,G,V]', 'rows [B,L,4] int32', 'counts [B,4] int32', 'cosine? [T,R/2]', 'sine? [T,R/2]'],
    outputs: ['y [B,L,H,V]', 'finalKeys? [B,M,G,K]', 'finalValues? [B,M,G,V]'],
    integers: ['B', 'L', 'M', 'H', 'G', 'K', 'V', 'R', 'interleaved', 'T'],
    scalars: ['scale'],
  },
  attentionBackward: {
    inputs: ['q', 'k', 'v', 'keys?', 'values?', 'rows [B,L,4] int32', 'counts [B,4] int32', 'cosine?', 'sine?', 'dy [B,L,H,V]', 'dFinalKeys? [B,M,G,K]', 'dFinalValues? [B,M,G,V]'],
    outputs: ['dq', 'dk', 'dv', 'dKeys?', 'dValues?'],
    integers: ['B', 'L', 'M', 'H', 'G', 'K', 'V', 'R', 'interleaved', 'T'],
    scalars: ['scale'],
  },
  /**
   * y[r] = sum over choices of gate * W2_e act(W1_e x[r]); activation 0 SwiGLU (first [X, 2 F, D], value above gate), 1 GELU (tanh form), 2 ReLU ([X, F, D]).
   * `order`: pairs r * k + choice sorted by expert; `blocks` [n, 3]: expert, begin and end in `order`, at most 32 pairs each; `offsets`: where each expert begins.
   */
  mixtureOfExpertsForward: {
    inputs: ['x [R,D]', 'first [X,M,D]', 'second [X,D,F]', 'gates [R,k]', 'order [R*k] int32', 'blocks [n,3] int32'],
    outputs: ['y [R,D]'],
    integers: ['R', 'D', 'F', 'X', 'k', 'activation', 'n'],
  },
  mixtureOfExpertsBackward: {
    inputs: ['x', 'first', 'second', 'gates', 'order [R*k] int32', 'blocks [n,3] int32', 'dy [R,D]', 'offsets [X+1] int32'],
    outputs: ['dx', 'dFirst', 'dSecond', 'dGates'],
    integers: ['R', 'D', 'F', 'X', 'k', 'activation', 'n'],
  },
  /** out[0] = sum of squares of every element of x, accumulated in double in a fixed order. */
  sumOfSquares: { inputs: ['x [n]'], outputs: ['sum [1] float64'], integers: ['n'] },
  /**
   * Decoupled AdamW on one tensor, in place on copies: m = b1 m + (1 - b1) g s; v = b2 v + (1 - b2) (g s)^2;
   * p = p (1 - lr * decay) - lr * (m / correction1) / (sqrt(v / correction2) + epsilon), s = clip scale.
   */
  adamW: {
    inputs: ['p [n]', 'g [n]', 'm [n]', 'v [n]'],
    outputs: ['p [n]', 'm [n]', 'v [n]'],
    integers: ['n'],
    scalars: ['learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'correction1', 'correction2', 'clipScale'],
  },
  /**
   * Per head of width P, state [P, N]: h[t] = exp(dt[t] A) h[t-1] + dt[t] x[t] B[t]^T;  y[t] = (h[t] C[t] + D x[t]) * silu(z[t]);
   * dt = limit(softplus?(dt + dtBias)). A is [H], or [B, L, H] with varyingDecay; D is [H], or [H, P] with wideSkip. Head h reads group floor(h / (H / G)).
   */
  ssdScanForward: {
    inputs: ['x [B,L,H,P]', 'dt [B,L,H]', 'A', 'B [B,L,G,N]', 'C [B,L,G,N]', 'D?', 'z? [B,L,H,P]', 'dtBias? [H]', 'initialState? [B,H,P,N]', 'control? [B,L]'],
    outputs: ['y [B,L,H,P]', 'finalState [B,H,P,N]', 'states?'],
    integers: ['B', 'L', 'H', 'P', 'G', 'N', 'softplus', 'stateEvery', 'varyingDecay', 'wideSkip'],
    scalars: ['dtLeast', 'dtMost'],
  },
  ssdScanBackward: {
    inputs: ['x', 'dt', 'A', 'B', 'C', 'D?', 'z?', 'dtBias?', 'initialState?', 'control?', 'dy [B,L,H,P]', 'dFinalState? [B,H,P,N]', 'dStates?'],
    outputs: ['dx', 'dDt', 'dA', 'dB', 'dC', 'dD?', 'dz?', 'dDtBias?', 'dInitialState?'],
    integers: ['B', 'L', 'H', 'P', 'G', 'N', 'softplus', 'stateEvery', 'varyingDecay', 'wideSkip'],
    scalars: ['dtLeast', 'dtMost'],
  },
  /**
   * Per head of width P, R ranks, state [P, N]; B, C turned by the angle (pairs i < S of N) after their biases, v = x * xProjection:
   * angle[t] = angle[t-1] + tanh(angles[t]) pi dt[t], in [0, 2 pi) with wrapAngles; alpha = exp(logDecay); s = sigmoid(trap);
   * h[t] = alpha h[t-1] + (1 - s) dt alpha sum_r v[t-1] B[t-1]^T + s dt sum_r v[t] B[t]^T;  o = h[t] C[t] + D v[t];
   * y[t] = sum_r (normWeight ? o / rms(o) * normWeight : o) * silu(z[t] * zProjection) * outProjection. Absent projections are ones, an absent z is no gate.
   */
  mamba3ScanForward: {
    inputs: ['x [B,L,H,P]', 'dt [B,L,H]', 'logDecay [B,L,H]', 'trap [B,L,H]', 'B [B,L,R,G,N]', 'C [B,L,R,G,N]', 'angles [B,L,1 or H,S]', 'bBias? [H,R,N]', 'cBias? [H,R,N]', 'D? [H]', 'z? [B,L,H,P]',
      'xProjection? [H,R,P]', 'zProjection? [H,R,P]', 'outProjection? [H,R,P]', 'normWeight? [H,P]', 'initialAngle? [B,H,S]', 'initialState? [B,H,P,N]', 'initialB? [B,H,R,N]', 'initialX? [B,H,R,P]', 'control? [B,L]'],
    outputs: ['y [B,L,H,P]', 'finalAngle [B,H,S]', 'finalState [B,H,P,N]', 'finalB [B,H,R,N]', 'finalX [B,H,R,P]'],
    integers: ['B', 'L', 'H', 'P', 'G', 'N', 'R', 'S', 'sharedAngles', 'wrapAngles'],
    scalars: ['epsilon'],
  },
  mamba3ScanBackward: {
    inputs: ['x', 'dt', 'logDecay', 'trap', 'B', 'C', 'angles', 'bBias?', 'cBias?', 'D?', 'z?', 'xProjection?', 'zProjection?', 'outProjection?', 'normWeight?', 'initialAngle?', 'initialState?', 'initialB?', 'initialX?', 'control?',
      'dy [B,L,H,P]', 'dFinalAngle? [B,H,S]', 'dFinalState? [B,H,P,N]', 'dFinalB? [B,H,R,N]', 'dFinalX? [B,H,R,P]'],
    outputs: ['dx', 'dDt', 'dLogDecay', 'dTrap', 'dB', 'dC', 'dAngles', 'dBBias?', 'dCBias?', 'dD?', 'dz?', 'dXProjection?', 'dZProjection?', 'dOutProjection?', 'dNormWeight?', 'dInitialAngle?', 'dInitialState?', 'dInitialB?', 'dInitialX?'],
    integers: ['B', 'L', 'H', 'P', 'G', 'N', 'R', 'S', 'sharedAngles', 'wrapAngles'],
    scalars: ['epsilon'],
  },
} as const;

export type KernelName = keyof typeof SIGNATURES;
