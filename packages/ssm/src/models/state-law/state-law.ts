import { tf } from '../../backend/tensorflow.ts';
import { disposeState, loadState, saveState, stateLeaves } from '../../layers/index.ts';
import type { SequenceLayer, State } from '../../layers/index.ts';
import { Random } from '../../random/index.ts';
import { full, PROPERTIES } from './forms.ts';
import type { Form, Given, Property } from './forms.ts';
import { begunState, measure, worstErrors } from './measure.ts';
import type { Kind, Measured } from './measure.ts';
import type { LawMember } from './members.ts';
import { checkStateValue } from './state-value.ts';

/** Worst error of one member under one property. */
export interface LawRow {
  readonly member: string;
  readonly property: string;
  readonly output: number;
  readonly state: number;
  /** null where no gradient crosses: a state that went through a file. */
  readonly gradient: number | null;
  /** The tensor with the largest error. */
  readonly worst: string;
}

/** Lengths of the sequences that are neighbours in the batch; 1 is the shortest there is. */
const LENGTHS = [9, 1, 17, 4];

/**
 * The one law, for one member: the whole sequence in one call equals every other way to run it, in outputs, final states and gradients with respect to
 * input, state and parameters.
 *
 * @param member - From `lawMembers()`, or your own layer in the same form.
 * @param options.seed - Of parameters, inputs, states, splits and garbage.
 * @returns One row for each property. Bounds are the caller's, so that they stay in one table.
 */
export async function checkStateLaw(member: LawMember, options: { seed?: number } = {}): Promise<LawRow[]> {
  const random = Random.fromSeed(`state law ${options.seed ?? 0}`);
  const layer = member.create(random.split('parameters'));
  const inputs = LENGTHS.map((length, index) => member.input(length, random.split('input').split(index)));
  const states = LENGTHS.map((_, index) => begunState(layer, member, random.split('state').split(index)));
  try {
    const given: Given = { layer, member, inputs, states, random: random.split('forms') };
    const truth = measure(full, given, member.differentiable);
    const rows = PROPERTIES.map((property) => propertyRow(member, property, given, truth));
    const broken = await checkStateValue(layer, member, random.split('value'));
    return [...rows, await savedRow(member, given, truth), valueRow(member.name, broken)];
  } finally {
    states.forEach(disposeState);
    tf.dispose(inputs);
    layer.dispose();
  }
}

function propertyRow(member: LawMember, { name, form, packed }: Property, given: Given, truth: Measured): LawRow {
  if (!packed) return row(member.name, name, worstErrors(measure(form, given, member.differentiable), truth));
  const zeros = given.states.map((state, index) => (index === 0 ? state : given.layer.initialState(1)));
  const fromZero: Given = { ...given, states: zeros };
  try {
    const expected = measure(lastState(full), fromZero, member.differentiable);
    return row(member.name, name, worstErrors(measure(form, fromZero, member.differentiable), zeroStateGradients(expected)));
  } finally {
    zeros.slice(1).forEach(disposeState);
  }
}

/** What a packed row can return: every output, the last state. */
const lastState = (form: Form): Form => (given) => {
  const { outputs, states } = form(given);
  return { outputs, states: states.slice(-1) };
};

/** A packed row never reads the states of its later sequences, so nothing flows to them there. */
function zeroStateGradients(expected: Measured): Measured {
  return new Map([...expected].map(([name, value]) =>
    [name, /^gradient of state [1-9]/.test(name) ? { ...value, values: new Float32Array(value.values.length) } : value]));
}

/** Half the sequence, state to a file and back, the other half. */
async function savedRow(member: LawMember, given: Given, truth: Measured): Promise<LawRow> {
  const measured: Measured = new Map();
  for (const [index, x] of given.inputs.entries()) {
    const length = x.shape[1]!;
    const half = Math.floor(length / 2);
    const part = (begin: number, count: number) => tf.slice(x, [0, begin, ...x.shape.slice(2).map(() => 0)], [1, count, ...x.shape.slice(2)]);
    const [head, tail] = [half > 0 ? part(0, half) : undefined, part(half, length - half)];
    const first = head ? given.layer.apply(head, { state: given.states[index] }) : undefined;
    const restored = await saveAndLoad(first?.state ?? given.states[index], given.layer);
    const second = given.layer.apply(tail, { state: restored });
    const output = first ? tf.concat([first.output, second.output], 1) : second.output;
    measured.set(`output ${index}`, { kind: 'output', values: Float32Array.from(output.dataSync()) });
    for (const [name, tensor] of stateLeaves(second.state)) measured.set(`state ${index}.${name}`, { kind: 'state', values: Float32Array.from(tensor.dataSync()) });
    tf.dispose([head, tail, first?.output, second.output, output].filter((tensor) => tensor !== undefined));
    for (const state of [first?.state, restored, second.state]) if (state) disposeState(state);
  }
  return { ...row(member.name, 'saved, restored', worstErrors(measured, truth)), gradient: null };
}

/** Not a matter of size: a state either is a value or is not. */
const valueRow = (member: string, broken: string | undefined): LawRow =>
  ({ member, property: 'state is a value', output: 0, state: broken === undefined ? 0 : Infinity, gradient: null, worst: broken ?? '' });

async function saveAndLoad(state: State, layer: SequenceLayer): Promise<State> {
  return loadState(await saveState(state, layer), layer);
}

function row(member: string, property: string, errors: { readonly [kind in Kind]: { error: number; tensor: string } }): LawRow {
  const worst = Object.values(errors).reduce((a, b) => (b.error > a.error ? b : a));
  return { member, property, output: errors.output.error, state: errors.state.error, gradient: errors.gradient.error, worst: worst.tensor };
}

/**
 * A table members x properties for a terminal. A cell is the worst error of outputs and final states, then of gradients.
 *
 * @param exceeds - Marks a row that misses its bound with `!`. Default: none is marked.
 */
export function formatStateLaw(rows: readonly LawRow[], exceeds: (row: LawRow) => boolean = () => false): string {
  const properties = [...new Set(rows.map(({ property }) => property))];
  const members = [...new Set(rows.map(({ member }) => member))];
  const figure = (error: number | null): string => (error === null ? '' : error === 0 ? ' 0' : ` ${Number.isFinite(error) ? error.toExponential(0) : 'NaN'}`);
  const cell = (member: string, property: string): string => {
    const found = rows.find((one) => one.member === member && one.property === property);
    return found ? `${figure(Math.max(found.output, found.state))}${figure(found.gradient)}${exceeds(found) ? '!' : ''}`.trim() : '';
  };
  const table = [['values gradients', ...properties], ...members.map((member) => [member, ...properties.map((property) => cell(member, property))])];
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  return table.map((line) => line.map((text, column) => text.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}
