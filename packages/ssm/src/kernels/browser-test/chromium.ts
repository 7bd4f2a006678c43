import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

/** The system's Chromium: `MAMBA360_CHROMIUM`, else the first on the path. Nothing is downloaded. */
export function findChromium(): string | undefined {
  const named = process.env.MAMBA360_CHROMIUM;
  if (named) return named;
  return (process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
}
