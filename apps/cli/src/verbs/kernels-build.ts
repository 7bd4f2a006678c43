import { SsmError } from '@mamba360/ssm/errors';
import { defineVerb } from '../frame/verb.ts';

export const command = defineVerb({
  name: 'build',
  description: 'Compiles the native kernels into your cache folder with the C compiler of this machine; the library finds them there.',
  options: {
    force: { type: 'boolean', description: 'Build even where the cache has them.' },
    'if-compiler': { type: 'boolean', description: 'Where they cannot be built, say so and end with code 0: WebAssembly serves.' },
  },
  async run(args) {
    const { buildAddon } = await import('@mamba360/ssm/kernels');
    try {
      const report = await buildAddon({ force: args.force === true });
      const text = report.built ? `kernels: built in ${(report.milliseconds / 1000).toFixed(1)} s` : 'kernels: the cache has them already';
      return { document: report, text: `${text}\n${report.path}` };
    } catch (error) {
      if (args['if-compiler'] !== true || !SsmError.isInstance(error)) throw error;
      const message = error.message.split('\n', 1)[0] ?? '';
      return { document: { path: null, built: false, reason: message }, text: `kernels: not built, WebAssembly serves (${message})` };
    }
  },
});
