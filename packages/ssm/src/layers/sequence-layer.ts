import type { Tensor } from '@tensorflow/tfjs';
import type { SequenceOptions } from '../ops/index.ts';
import type { ParameterTree } from './parameters.ts';
import type { State, StateSpec } from './state.ts';

/** What every sequence layer can say of itself. */
export interface LayerCapabilities {
  /** `constant`: same size at any length; `growing`: up to `maximumLength`; `none`: only whole sequences. */
  readonly state: 'constant' | 'growing' | 'none';
  readonly causal: boolean;
  readonly maximumLength?: number;
  /** Also implemented in `ssm/runtime`, without tfjs. */
  readonly runtime: boolean;
}

export interface ApplyOptions<S extends State = State> extends SequenceOptions {
  /** State before the first step. Default: `initialState`. Not disposed by the layer. */
  readonly state?: S;
  /** Turns dropout on. Default false. */
  readonly training?: boolean;
  /** Called with the name and output of each part, to find the first one that is not finite. The tensor lives only during the call. */
  readonly observe?: (name: string, tensor: Tensor) => void;
}

export interface SequenceResult<S extends State = State> {
  /** The caller disposes it. */
  readonly output: Tensor;
  /** State after the last step. The caller disposes it. */
  readonly state: S;
}

/**
 * A layer over sequences [B, L, D] that obeys the one law: whole, in chunks, step by step, batched with neighbours, padded, masked, packed, saved and
 * restored give the same outputs and the same final state, with gradients through all of them.
 */
export interface SequenceLayer<S extends State = State> {
  /** Name in the registry, such as `mamba`. */
  readonly kind: string;
  /** Complete, with defaults filled in; plain JSON. */
  readonly config: object;
  readonly dModel: number;
  /** Width of the output. */
  readonly outputSize: number;
  readonly capabilities: LayerCapabilities;
  readonly parameters: ParameterTree;
  /** @param x - [B, L, D], any L >= 1. @returns output [B, L, outputSize] and the final state. */
  apply(x: Tensor, options?: ApplyOptions<S>): SequenceResult<S>;
  /** One step. @param x - [B, D]. @returns output [B, outputSize] and the next state; `state` stays alive. */
  step(x: Tensor, state: S): SequenceResult<S>;
  /** The state before any step, for a batch of this size. The caller disposes it. */
  initialState(batch: number): S;
  stateSpec(batch: number): StateSpec;
  /** Frees the parameters; safe to call twice. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** The part of the options that ops take, absent keys left out. */
export function sequenceOptions(options: SequenceOptions): SequenceOptions {
  return {
    ...(options.lengths !== undefined && { lengths: options.lengths }),
    ...(options.mask !== undefined && { mask: options.mask }),
    ...(options.segments !== undefined && { segments: options.segments }),
    ...(options.previousSegments !== undefined && { previousSegments: options.previousSegments }),
  };
}
