import type { LearningTask } from '../suite/task.ts';
import { imageTask } from './image.ts';
import { listOpsTask } from './list-ops-task.ts';
import { pathfinderTask } from './pathfinder-task.ts';
import { retrievalTask } from './retrieval.ts';
import { textTask } from './text.ts';

/** Tasks of `--suite lra` by name, made when asked for. */
export const LONG_RANGE_ARENA: Readonly<Record<string, (options: { data: string; short: boolean }) => LearningTask | Promise<LearningTask>>> = {
  listops: listOpsTask,
  text: textTask,
  retrieval: retrievalTask,
  image: imageTask,
  pathfinder: ({ short }) => pathfinderTask({ short, large: false }),
  pathx: ({ short }) => pathfinderTask({ short, large: true }),
};
