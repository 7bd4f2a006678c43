import { Random } from '@mamba360/ssm/random';
import type { LearningTask } from '../suite/task.ts';
import { drawn, inOrder } from './finite.ts';
import type { Examples } from './finite.ts';
import { PATHFINDER_128, PATHFINDER_32, pathfinderPicture } from './pathfinder.ts';
import type { PathfinderOptions } from './pathfinder.ts';
import { publishedRows } from './published.ts';
import { lraRecipe, LRA_BASELINES, LRA_MODELS } from './recipe.ts';

/** Picture `row` of a set is drawn from a stream of its own. */
function pictures(set: string, count: number, options: PathfinderOptions): Examples {
  const random = Random.fromSeed(`long range arena: pathfinder ${options.window}`).split(set);
  const length = options.window ** 2;
  return {
    count,
    batch: (rows) => {
      const made = rows.map((row) => pathfinderPicture(random.split(row), options));
      const inputs = new Float32Array(rows.length * length);
      made.forEach(({ pixels }, index) => inputs.set(pixels.map((value) => 2 * value - 1), index * length));
      return { batch: rows.length, length, inputs, targets: Int32Array.from(made, ({ label }) => label) };
    },
  };
}

/** 160,000 / 20,000 / 20,000 pictures read pixel by pixel: 32 x 32, or Path-X with 128 x 128. */
export function pathfinderTask({ short, large }: { short: boolean; large: boolean }): LearningTask {
  const options = large ? PATHFINDER_128 : PATHFINDER_32;
  const length = options.window ** 2;
  const [validation, test] = [pictures('validation', 20_000, options), pictures('test', 20_000, options)];
  return {
    name: large ? 'pathx' : 'pathfinder', reads: { kind: 'numbers', channels: 1 }, classes: 2, answer: 'mean', trainLength: length, maximumLength: length,
    train: drawn(pictures('train', 160_000, options)), validation: inOrder('validation', validation, 32, short ? 256 : 2000), tests: [inOrder('test', test, 32, short ? 2000 : 20_000)], headline: 'test', chance: 0.5,
    bar: short ? { floor: 55 } : large ? { floor: 80, target: 88, published: 'S4-LegS 96.35, Transformer at chance (survey)' } : { floor: 85, target: 92, published: 'S4-LegS 94.20, Transformer 71.40 (survey)' },
    models: LRA_MODELS, baselines: LRA_BASELINES, controls: [], recipe: lraRecipe(short, { batchSize: large ? 16 : 64, epochs: 200, examples: 160_000 }),
    published: () => publishedRows(large ? 'Path-X' : 'Pathfinder'),
  };
}
