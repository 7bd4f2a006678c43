import { mean, square, sub, tensor } from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { useBackend } from '../../backend/index.ts';
import { sha256 } from '../../checkpoints/index.ts';
import { namedParameters } from '../../layers/index.ts';
import { Backbone } from '../../models/index.ts';
import { fit, rowBatches } from '../index.ts';
import type { LossOptions } from '../index.ts';
import { Random } from '../../random/index.ts';

/**
 * The process that the kill test kills: a run with a checkpoint after every update. Prints one JSON line a batch, then the hash of the final weights.
 * Arguments: checkpoint folder (or `none`), epochs.
 */
const [folder, epochs] = [process.argv[2], Number(process.argv[3])];
const say = (line: object): void => { process.stdout.write(`${JSON.stringify(line)}\n`); };

await useBackend({ name: 'cpu', threads: 1 });
const net = Backbone.create({ dModel: 48, nLayer: 2, inputSize: 1, outputSize: 1, dropout: 0.1 }, { seed: 5 });
const model = {
  parameters: net.parameters,
  loss: ({ x, y }: { x: Tensor; y: Tensor }, options: LossOptions) => {
    const { output, state } = net.apply(x, options);
    return { loss: mean(square(sub(output, y))), state };
  },
};
const noise = Random.fromSeed(2).normal(32 * 9);
const source = rowBatches({
  count: 32, batchSize: 4,
  make: (rows) => {
    const take = (shift: number): Tensor => tensor(Float32Array.from({ length: rows.length * 8 }, (_, index) => noise[rows[index >> 3] * 9 + (index & 7) + shift]), [rows.length, 8, 1]);
    return { x: take(1), y: take(0) };
  },
});
const { resumedFrom, steps } = await fit(model, source, {
  epochs, learningRate: 0.01, carryState: true, schedule: { kind: 'cosine' }, averageDecay: 0.9,
  ...(folder !== 'none' && { checkpoint: { folder, everySteps: 1 } }),
  onProgress: (event) => {
    if (event.type === 'batch-end') say({ type: 'batch', epoch: event.epoch, batch: event.batch });
    if (event.type === 'warning') say(event);
  },
});
const parts = await Promise.all(namedParameters(net.parameters).map(async ([, variable]) => new Uint8Array((await variable.data()).buffer.slice(0))));
say({ type: 'done', weights: await sha256(...parts), resumedFrom, steps });
