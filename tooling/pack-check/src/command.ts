import { execFileSync } from 'node:child_process';

/** Runs a program and returns its standard output; a failure throws with both outputs in the message. */
export function runCommand(program: string, args: readonly string[], cwd: string, environment: Record<string, string> = {}): string {
  try {
    return execFileSync(program, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
      env: { ...process.env, ...environment },
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${(stdout ?? '').slice(-3000)}\n${(stderr ?? '').slice(-3000)}`, { cause: error });
  }
}
