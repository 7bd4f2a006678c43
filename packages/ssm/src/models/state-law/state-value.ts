import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { SsmError } from '../../errors/index.ts';
import { cloneState, concatStates, disposeState, gatherState, loadState, saveState, sliceState, stateLeaves } from '../../layers/index.ts';
import type { SequenceLayer, State } from '../../layers/index.ts';
import { Random } from '../../random/index.ts';
import { begunState } from './measure.ts';
import type { LawMember } from './members.ts';

/**
 * Whether the layer's state is a value: calls leave it as it was; it can be cloned, sliced, gathered, joined, saved and loaded bit for bit, disposed twice;
 * a state that is not this layer's is refused; a growing one says how far it goes and refuses more.
 *
 * @returns What does not hold, or undefined.
 */
export async function checkStateValue(layer: SequenceLayer, member: LawMember, random: Random): Promise<string | undefined> {
  const rows = [0, 1, 2].map((row) => begunState(layer, member, random.split(row)));
  const joined = concatStates(rows);
  try {
    return unchanged(layer, member, rows[0], random.split('unchanged'))
      ?? copies(rows, joined)
      ?? refusals(layer, member, rows[0], joined, random.split('refusals'))
      ?? declaredLength(layer, member, random.split('length'))
      ?? await files(layer, member, joined);
  } finally {
    rows.forEach(disposeState);
    disposeState(joined);
  }
}

const bits = (state: State): string => JSON.stringify(stateLeaves(state).map(([name, tensor]) => [name, tensor.dtype, tensor.shape, [...tensor.dataSync()]]));

function unchanged(layer: SequenceLayer, member: LawMember, state: State, random: Random): string | undefined {
  const before = bits(state);
  const alive = (): boolean => stateLeaves(state).every(([, tensor]) => !tensor.isDisposed);
  tf.tidy(() => { layer.apply(member.input(3, random), { state }); });
  if (!alive() || bits(state) !== before) return 'apply changes the state it is given';
  tf.tidy(() => { layer.step(tf.squeeze(member.input(1, random), [1]), state); });
  return !alive() || bits(state) !== before ? 'step changes the state it is given' : undefined;
}

function copies(rows: readonly State[], joined: State): string | undefined {
  const before = bits(rows[1]);
  const copy = cloneState(rows[1]);
  if (bits(copy) !== before) return 'a clone differs';
  disposeState(copy);
  disposeState(copy);
  if (stateLeaves(rows[1]).some(([, tensor]) => tensor.isDisposed) || bits(rows[1]) !== before) return 'disposing a clone reaches the original';
  return tf.tidy(() => {
    const [sliced, gathered] = [rows.map((_, row) => sliceState(joined, row, 1)), gatherState(joined, [2, 0, 2])];
    if (sliced.some((state, row) => bits(state) !== bits(rows[row]))) return 'a slice of joined states differs';
    return bits(gathered) === bits(concatStates([rows[2], rows[0], rows[2]])) ? undefined : 'gathered rows differ';
  });
}

/** The error must be ours, so that its text names what is wrong and the way out. */
function refused(call: () => unknown): boolean {
  try {
    tf.tidy(() => { call(); });
    return false;
  } catch (error) {
    return SsmError.isInstance(error) && error.code === 'state';
  }
}

function refusals(layer: SequenceLayer, member: LawMember, state: State, joined: State, random: Random): string | undefined {
  const x = member.input(2, random);
  const one = member.input(1, random);
  const step = tf.squeeze(one, [1]);
  const accepts = (given: State): string | undefined => (!refused(() => layer.apply(x, { state: given })) ? 'apply' : !refused(() => layer.step(step, given)) ? 'step' : undefined);
  const disposed = cloneState(state);
  disposeState(disposed);
  const foreign: [string, () => State][] = [
    ['a state with one part more', () => ({ ...state, foreign: tf.zeros([1, 2]) })],
    ...(stateLeaves(state).length === 0 ? [] : [
      ['a state with one part less', () => Object.fromEntries(Object.entries(state).slice(1)) as State],
      ['the state of another batch', () => joined],
      ['a state that was disposed', () => disposed],
    ] as [string, () => State][]),
  ];
  try {
    for (const [what, make] of foreign) {
      const by = tf.tidy(() => accepts(make()));
      if (by !== undefined) return `${by} takes ${what}`;
    }
    return undefined;
  } finally {
    tf.dispose([x, one, step]);
  }
}

/** A growing state says how long it may become, takes that much, and refuses one step more. */
function declaredLength(layer: SequenceLayer, member: LawMember, random: Random): string | undefined {
  const { state, maximumLength } = layer.capabilities;
  if (state !== 'growing') return undefined;
  if (maximumLength === undefined) return 'the state grows, and no maximum length is declared';
  const short = member.input(maximumLength, random) as Tensor;
  const long = member.input(maximumLength + 1, random) as Tensor;
  try {
    tf.tidy(() => { layer.apply(short); });
    const typed = (call: () => unknown): boolean => {
      try {
        tf.tidy(() => { call(); });
        return false;
      } catch (error) {
        return SsmError.isInstance(error);
      }
    };
    if (!typed(() => layer.apply(long))) return `apply takes ${maximumLength + 1} steps, more than the declared ${maximumLength}`;
    const overrun = typed(() => layer.step(tf.squeeze(member.input(1, random), [1]), layer.apply(short).state));
    return overrun ? undefined : `step goes on after the declared ${maximumLength} steps`;
  } finally {
    tf.dispose([short, long]);
  }
}

async function files(layer: SequenceLayer, member: LawMember, joined: State): Promise<string | undefined> {
  const file = await saveState(joined, layer);
  const restored = await loadState(file, layer);
  const same = bits(restored) === bits(joined);
  disposeState(restored);
  if (!same) return 'a saved state comes back different';
  const other = member.create(Random.fromSeed('another set of weights'));
  try {
    if (Object.keys(other.parameters).length === 0) return undefined;
    disposeState(await loadState(file, other));
    return 'a state saved by one set of weights is loaded by another';
  } catch (error) {
    return SsmError.isInstance(error) && error.code === 'state' ? undefined : `a foreign state file is refused without a typed error: ${String(error)}`;
  } finally {
    other.dispose();
  }
}
