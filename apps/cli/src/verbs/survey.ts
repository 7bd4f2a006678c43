import { UsageError } from '../frame/usage-error.ts';
import { defineVerb } from '../frame/verb.ts';

export const command = defineVerb({
  name: 'survey',
  description: "Prints the survey's tree of state space models, a model's page (survey mamba), or published results (survey results --task lra).",
  options: {
    what: { type: 'positional', description: 'A model by any of its names, or the word results. Default: the tree.', required: false },
    task: { type: 'string', description: 'Of results: a benchmark, such as lra, or one of its settings.', valueHint: 'name' },
    model: { type: 'string', description: 'Of results: only this model.', valueHint: 'name' },
  },
  async run({ what, task, model }) {
    const { survey } = await import('../survey/survey.ts');
    if (what !== 'results' && (task !== undefined || model !== undefined)) {
      throw new UsageError(`--${task === undefined ? 'model' : 'task'} chooses among published results. Write mamba360 survey results --task NAME or --model NAME.`);
    }
    return survey({ what, task, model });
  },
});
