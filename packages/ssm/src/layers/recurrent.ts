import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { nonlinearScan, nonlinearScanStep } from '../ops/index.ts';
import type { NonlinearScanStepOptions, RecurrentKind } from '../ops/index.ts';
import { affine } from './affine.ts';
import { disposeParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import type { RecurrentConfig } from './recurrent-config.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { State, StateSpec } from './state.ts';

/** What RNN, LSTM, GRU and LTC share: input projection, the fused recurrence, optional output projection. */
export abstract class Recurrent<S extends State> implements SequenceLayer<S> {
  abstract readonly kind: RecurrentKind;
  readonly config: RecurrentConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;

  protected constructor(config: RecurrentConfig, parameters: Parameters) {
    this.config = config;
    this.parameters = parameters;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.projection ? this.config.dModel : this.config.units; }

  apply(x: Tensor, options: ApplyOptions<S> = {}): SequenceResult<S> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`${this.kind}.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState(`${this.kind}.apply`, this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = nonlinearScan(this.#gates(x), this.parameters['recurrent.weight'], {
        ...sequenceOptions(options), ...this.cell(), ...(options.state && { state: options.state as never }),
      });
      return { output: this.#project(output), state: state as unknown as S };
    });
  }

  step(x: Tensor, state: S): SequenceResult<S> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`${this.kind}.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState(`${this.kind}.step`, this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const next = nonlinearScanStep(state as never, this.#gates(x), this.parameters['recurrent.weight'], this.cell());
      return { output: this.#project(next.output), state: next.state as unknown as S };
    });
  }

  initialState(batch: number): S {
    return zeroState<S>(this.stateSpec(batch));
  }

  abstract stateSpec(batch: number): StateSpec;

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #gates(x: Tensor): Tensor {
    return affine(x, this.parameters['input.weight'], this.parameters['input.bias']);
  }

  /** Kind of the cell and everything of it but x, R and state. */
  protected cell(): NonlinearScanStepOptions {
    const recurrentBias = this.parameters['recurrent.bias'];
    return { kind: this.kind, ...(recurrentBias && { recurrentBias }) };
  }

  #project(hidden: Tensor): Tensor {
    return this.config.projection ? affine(hidden, this.parameters['out_proj.weight'], this.parameters['out_proj.bias']) : hidden;
  }
}
