import * as tf from '@tensorflow/tfjs';
import type { Tensor1D } from '@tensorflow/tfjs';
import { kernelTargetOf, useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import { Backbone } from '@mamba360/ssm/models';
import { Random } from '@mamba360/ssm/random';
import { AdamW, trainStep } from '@mamba360/ssm/training';
import { median } from '../kernels/measure.ts';
import { plainScanTarget } from './plain-scan-target.ts';
import { profileKernels } from './profile-kernels.ts';
import type { ProfileRow } from './profile-kernels.ts';

const VOCABULARY = 256, WIDTH = 128;

export interface StepShape { readonly mixer: string; readonly nLayer: number; readonly B: number; readonly L: number }

interface Session { readonly parameters: number; step(): Promise<number>; dispose(): void }

/** A model with its optimiser and one batch; each `step` is forward, backward, clipping and AdamW. */
function createSession({ mixer, nLayer, B, L }: StepShape): Session {
  const model = Backbone.create({ dModel: WIDTH, nLayer, mixer, ssmCfg: {}, vocabSize: VOCABULARY, padVocabSizeMultiple: 1, tieEmbeddings: true }, { seed: 1 });
  const named = namedParameters(model.parameters), optimizer = new AdamW(named as ConstructorParameters<typeof AdamW>[0], {});
  const tokens = (seed: number) => {
    const random = Random.fromSeed(1).split(seed);
    return tf.tensor2d(Int32Array.from({ length: B * L }, () => Math.floor(random.next() * VOCABULARY)), [B, L], 'int32');
  };
  const inputs = tokens(1), targets = tokens(2);
  const trainable = {
    parameters: model.parameters, config: model.config,
    loss: () => tf.tidy(() => {
      const { output } = model.apply(inputs);
      return tf.losses.softmaxCrossEntropy(tf.oneHot(tf.reshape(targets, [-1]) as Tensor1D, VOCABULARY), tf.reshape(output, [-1, VOCABULARY]));
    }),
  };
  return {
    parameters: named.reduce((sum, [, { size }]) => sum + size, 0),
    step: async () => (await trainStep(trainable as never, {}, null, { optimizer, learningRate: 1e-3 })).loss,
    dispose: () => {
      tf.dispose([inputs, targets]);
      optimizer.dispose();
      model.dispose();
    },
  };
}

export interface StepResult extends StepShape {
  readonly backend: string;
  readonly kernels: string;
  readonly threads: number;
  readonly parameters: number;
  readonly milliseconds: number;
  readonly bestMilliseconds: number;
  readonly profile: readonly ProfileRow[];
}

async function timeSteps(session: Session, steps: number, warmUp: number): Promise<number[]> {
  const times: number[] = [];
  for (let step = -warmUp; step < steps; step++) {
    const started = performance.now();
    await session.step();
    if (step >= 0) times.push(performance.now() - started);
  }
  return times;
}

/** Milliseconds of one training step on a backend, and where they go. */
export async function measureTrainingStep(shape: StepShape, backend: BackendName, threads: number, steps: number): Promise<StepResult> {
  const { kernels } = await useBackend({ name: backend, threads }), session = createSession(shape);
  const times = await timeSteps(session, steps, Math.min(steps, 5));
  const profile = await profileKernels(async () => { for (let step = 0; step < Math.min(steps, 5); step++) await session.step(); });
  const { parameters } = session, count = Math.min(steps, 5);
  session.dispose();
  return {
    ...shape, backend, kernels: `${kernels.target} ${kernels.instructionSet}`, threads: kernels.threads, parameters, milliseconds: median(times), bestMilliseconds: Math.min(...times),
    profile: profile.rows.map((row) => ({ ...row, milliseconds: row.milliseconds / count, calls: row.calls / count })),
  };
}

export interface PlainScanResult extends StepShape { readonly backend: string; readonly fusedMilliseconds: number; readonly plainMilliseconds: number; readonly ratio: number; readonly lossDifference: number }

/** The same model with the fused scan and with its scan as a plain JavaScript loop, in turns. */
export async function measurePlainScan(shape: StepShape, backend: BackendName, threads: number, steps: number): Promise<PlainScanResult> {
  await useBackend({ name: backend, threads });
  const fusedTarget = kernelTargetOf(backend)!, plainTarget = plainScanTarget(fusedTarget);
  const fused = createSession(shape), plain = createSession(shape), fusedTimes: number[] = [], plainTimes: number[] = [];
  const timed = async (session: Session, times: number[] | null): Promise<number> => {
    const started = performance.now(), loss = await session.step();
    times?.push(performance.now() - started);
    return loss;
  };
  let lossDifference = 0;
  for (let step = -2; step < steps; step++) {
    await useBackend({ name: backend, kernels: fusedTarget });
    const fusedLoss = await timed(fused, step < 0 ? null : fusedTimes);
    await useBackend({ name: backend, kernels: plainTarget });
    lossDifference = Math.max(lossDifference, Math.abs(await timed(plain, step < 0 ? null : plainTimes) - fusedLoss));
  }
  fused.dispose();
  plain.dispose();
  const fusedMilliseconds = median(fusedTimes), plainMilliseconds = median(plainTimes);
  return { ...shape, backend, fusedMilliseconds, plainMilliseconds, ratio: plainMilliseconds / fusedMilliseconds, lossDifference };
}
