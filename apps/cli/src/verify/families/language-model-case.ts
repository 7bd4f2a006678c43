import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { readSafetensors } from '@mamba360/ssm/checkpoints';
import { languageModelFrom } from '@mamba360/ssm/models';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';

/** Logits and last hidden state of the prompt; prompt + greedy tokens made by single steps from its state, with the first logits on the way. */
export function runLanguageModel(golden: GoldenCase): CaseOutputs {
  if (!golden.model) throw new Error('the case has no folder with config.json and model.safetensors');
  const { values, shape } = golden.value('input_ids');
  const [batch, length] = shape as [number, number];
  const { outputs } = golden.description;
  const total = outputs['greedy']?.[1] ?? length;
  const observed = outputs['generation_logits']?.[1] ?? 0;
  const vocabSize = outputs['logits']![2]!;
  const model = languageModelFrom(readSafetensors(golden.model.weights).tensors, golden.model.config);
  try {
    let hidden: ArrayLike<number> = [];
    const first = model.apply(tf.tensor(Int32Array.from(values), [batch, length], 'int32'), { observe: (name, tensor) => { if (name === 'norm_f') hidden = tensor.dataSync().slice(); } });
    const greedy = new Float32Array(batch * total), generated = new Float32Array(batch * observed * vocabSize);
    for (let b = 0; b < batch; b++) greedy.set(Float32Array.from(values).subarray(b * length, (b + 1) * length), b * total);
    let { state } = first;
    let last: Tensor = tf.squeeze(tf.slice(first.output, [0, length - 1, 0], [batch, 1, -1]), [1]);
    for (let t = length; t < total; t++) {
      if (t - length < observed) {
        const numbers = last.dataSync();
        for (let b = 0; b < batch; b++) generated.set(numbers.subarray(b * vocabSize, (b + 1) * vocabSize), (b * observed + t - length) * vocabSize);
      }
      const next = tf.argMax(last, -1);
      next.dataSync().forEach((token, b) => { greedy[b * total + t] = token; });
      ({ output: last, state } = model.step(next, state));
    }
    return { logits: first.output.dataSync(), last_hidden: hidden, greedy, generation_logits: generated };
  } finally {
    model.dispose();
  }
}
