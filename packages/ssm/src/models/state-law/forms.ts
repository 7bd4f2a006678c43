import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { cloneState, concatStates, gatherState, sliceState } from '../../layers/index.ts';
import type { SequenceLayer, State } from '../../layers/index.ts';
import type { Random } from '../../random/index.ts';
import type { LawMember } from './members.ts';

/** Sequences [1, length, ...] with the state each starts from, and where the form draws its splits and garbage. */
export interface Given {
  readonly layer: SequenceLayer;
  readonly member: LawMember;
  readonly inputs: readonly Tensor[];
  readonly states: readonly State[];
  readonly random: Random;
}

/** Outputs [1, length, M] and final states, one for each sequence. */
export interface Outcome { readonly outputs: Tensor[]; readonly states: State[] }

export type Form = (given: Given) => Outcome;

const lengthOf = (x: Tensor): number => x.shape[1]!;

function sliceSteps(x: Tensor, begin: number, count: number): Tensor {
  return tf.slice(x, [0, begin, ...x.shape.slice(2).map(() => 0)], [x.shape[0], count, ...x.shape.slice(2)]);
}

function eachAlone(given: Given, run: (x: Tensor, state: State, index: number) => { output: Tensor; state: State }): Outcome {
  const results = given.inputs.map((x, index) => run(x, given.states[index], index));
  return { outputs: results.map(({ output }) => output), states: results.map(({ state }) => state) };
}

function inChunks(layer: SequenceLayer, x: Tensor, state: State, random: Random, between: (state: State) => State = (same) => same): { output: Tensor; state: State } {
  const outputs: Tensor[] = [];
  let current = state;
  for (let begin = 0; begin < lengthOf(x);) {
    const count = 1 + random.integer(Math.min(5, lengthOf(x) - begin));
    const result = layer.apply(sliceSteps(x, begin, count), { state: current });
    outputs.push(result.output);
    current = between(result.state);
    begin += count;
  }
  return { output: tf.concat(outputs, 1), state: current };
}

/** The truth that the others are compared with: each sequence alone, in one call. */
export const full: Form = (given) => eachAlone(given, (x, state) => given.layer.apply(x, { state }));

const chunked: Form = (given) => eachAlone(given, (x, state, index) => inChunks(given.layer, x, state, given.random.split(index)));

const stepwise: Form = (given) => eachAlone(given, (x, state) => {
  const outputs: Tensor[] = [];
  let current = state;
  for (let t = 0; t < lengthOf(x); t++) {
    const result = given.layer.step(tf.squeeze(sliceSteps(x, t, 1), [1]), current);
    outputs.push(tf.expandDims(result.output, 1));
    current = result.state;
  }
  return { output: tf.concat(outputs, 1), state: current };
});

/** Goes on with garbage from a kept state, then returns to it, after every chunk. */
const rewound: Form = (given) => eachAlone(given, (x, state, index) => {
  const random = given.random.split(index);
  return inChunks(given.layer, x, state, random, (current) => {
    const mark = cloneState(current);
    given.layer.apply(given.member.input(3, random), { state: current });
    return mark;
  });
});

/** Rows of one batch: where the steps of each sequence lie, everything else garbage. */
function batchForm(layout: (count: number, length: number, random: Random) => number[], how: 'lengths' | 'mask'): Form {
  return ({ layer, member, inputs, states, random }) => {
    const total = Math.max(...inputs.map(lengthOf)) + (how === 'mask' ? 4 : 2);
    const places = inputs.map((x, row) => layout(lengthOf(x), total, random.split(row)));
    const rows = inputs.map((x, row) => {
      const garbage = member.input(total, random.split(`garbage ${row}`));
      const steps = Array.from({ length: total }, (_, t) => {
        const position = places[row].indexOf(t);
        return position < 0 ? sliceSteps(garbage, t, 1) : sliceSteps(x, position, 1);
      });
      return tf.concat(steps, 1);
    });
    const options = how === 'lengths'
      ? { lengths: inputs.map(lengthOf) }
      : { mask: places.map((taken) => Array.from({ length: total }, (_, t) => taken.includes(t))) };
    const result = layer.apply(tf.concat(rows, 0), { state: concatOrEmpty(states), ...options });
    return {
      outputs: places.map((taken, row) => {
        const own = tf.slice(result.output, [row, 0, 0], [1, total, result.output.shape[2]!]);
        return tf.concat(taken.map((t) => sliceSteps(own, t, 1)), 1);
      }),
      states: inputs.map((_, row) => sliceState(result.state, row, 1)),
    };
  };
}

const concatOrEmpty = (states: readonly State[]): State => concatStates([...states]);

/** One batch from joined states; a row is taken out, with its state, where its sequence ends, and the others go on. */
const batched: Form = ({ layer, inputs, states }) => {
  const outputs: Tensor[][] = inputs.map(() => []);
  const finals: State[] = [];
  let rows = inputs.map((_, row) => row);
  let state = concatOrEmpty(states);
  for (let begin = 0; rows.length > 0;) {
    const end = Math.min(...rows.map((row) => lengthOf(inputs[row])));
    const result = layer.apply(tf.concat(rows.map((row) => sliceSteps(inputs[row], begin, end - begin)), 0), { state });
    rows.forEach((row, place) => outputs[row].push(tf.slice(result.output, [place, 0, 0], [1, end - begin, result.output.shape[2]!])));
    rows.forEach((row, place) => { if (lengthOf(inputs[row]) === end) finals[row] = sliceState(result.state, place, 1); });
    const staying = rows.flatMap((row, place) => (lengthOf(inputs[row]) > end ? [place] : []));
    if (staying.length > 0) state = gatherState(result.state, staying);
    rows = staying.map((place) => rows[place]);
    begin = end;
  }
  return { outputs: outputs.map((parts) => tf.concat(parts, 1)), states: finals };
};

const rightPadded = batchForm((count) => Array.from({ length: count }, (_, t) => t), 'lengths');
const leftPadded = batchForm((count, total) => Array.from({ length: count }, (_, t) => total - count + t), 'mask');
const maskedAnywhere = batchForm((count, total, random) => [...random.permutation(total).slice(0, count)].sort((a, b) => a - b), 'mask');

/** All sequences in one row, cut into two calls at a random place; only the first starts from a state. */
const packed: Form = ({ layer, inputs, states, random }) => {
  const row = tf.concat([...inputs], 1);
  const segments = inputs.flatMap((x, index) => Array.from({ length: lengthOf(x) }, () => index));
  const cut = 1 + random.integer(segments.length - 1);
  const first = layer.apply(sliceSteps(row, 0, cut), { state: states[0], segments: [segments.slice(0, cut)] });
  const second = layer.apply(sliceSteps(row, cut, segments.length - cut), { state: first.state, segments: [segments.slice(cut)], previousSegments: [segments[cut - 1]] });
  const output = tf.concat([first.output, second.output], 1);
  return {
    outputs: inputs.map((x, index) => sliceSteps(output, segments.indexOf(index), lengthOf(x))),
    // Only the last sequence's state comes out of a packed row.
    states: [second.state],
  };
};

export interface Property {
  readonly name: string;
  readonly form: Form;
  /** The packed row starts its later sequences from zero and returns one state. */
  readonly packed?: boolean;
}

export const PROPERTIES: readonly Property[] = [
  { name: 'full, again', form: full },
  { name: 'chunked', form: chunked },
  { name: 'stepwise', form: stepwise },
  { name: 'batched', form: batched },
  { name: 'right padded', form: rightPadded },
  { name: 'left padded', form: leftPadded },
  { name: 'masked anywhere', form: maskedAnywhere },
  { name: 'packed', form: packed, packed: true },
  { name: 'rewound', form: rewound },
];
