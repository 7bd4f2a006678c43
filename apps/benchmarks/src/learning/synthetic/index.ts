import type { LearningTask } from '../suite/task.ts';
import { associativeRecallTask } from './associative-recall.ts';
import { inductionHeadsTask } from './induction-heads.ts';
import { listOpsShortTask } from './list-ops-task.ts';
import { modularArithmeticTask } from './modular-arithmetic.ts';
import { parityTask } from './parity.ts';
import { selectiveCopyingTask } from './selective-copying-task.ts';
import { sequentialMnistTask } from './sequential-mnist.ts';

/** Tasks of `--suite synthetic` by name, made when asked for. */
export const SYNTHETIC_TASKS: Readonly<Record<string, (options: { data: string }) => LearningTask | Promise<LearningTask>>> = {
  'selective-copying': selectiveCopyingTask,
  'induction-heads': inductionHeadsTask,
  parity: parityTask,
  'modular-arithmetic': modularArithmeticTask,
  'associative-recall': associativeRecallTask,
  'list-ops': listOpsShortTask,
  'sequential-mnist': sequentialMnistTask,
};
