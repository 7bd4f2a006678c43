import { fileURLToPath } from 'node:url';
import { firstLine, setUpTfjsNode } from './set-up.ts';

try {
  const how = await setUpTfjsNode(fileURLToPath(new URL('../../..', import.meta.url)));
  console.log(`tfjs-node: ready (${how})`);
} catch (error) {
  console.log(`tfjs-node: not available, the wasm backend serves (${firstLine(error)})`);
}
