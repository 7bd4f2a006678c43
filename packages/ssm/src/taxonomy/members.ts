import { ConfigError } from '../errors/index.ts';
import { GATING } from './gating.ts';
import type { Capabilities, Member, Status } from './member.ts';
import { HYBRID } from './hybrid.ts';
import { RECURRENT } from './recurrent.ts';
import { STRUCTURAL } from './structural.ts';

/** Every member of the family, by the survey's paradigms. */
export const MEMBERS: readonly Member[] = [...STRUCTURAL, ...GATING, ...RECURRENT, ...HYBRID];

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/**
 * The member of that key, name or alias; case, blanks and hyphens do not count.
 *
 * @throws ConfigError listing the keys.
 */
export function memberNamed(name: string): Member {
  const wanted = plain(name);
  const byKey = MEMBERS.find((member) => plain(member.key) === wanted || plain(member.name) === wanted);
  const found = byKey ?? MEMBERS.find(({ aliases }) => aliases.some((alias) => plain(alias) === wanted));
  if (found === undefined) throw new ConfigError(`taxonomy: no member is called "${name}", expected one of ${MEMBERS.map(({ key }) => key).join(', ')}.`);
  return found;
}

/** As much of the mixer registry as is needed here: `mixers()` of `ssm/models` fits. */
export type RegisteredMixers = readonly { readonly name: string; readonly capabilities: Capabilities }[];

/**
 * What a member promises about its state: what its mixer says, so that the two cannot differ.
 *
 * @param registry - `mixers()` of `ssm/models`.
 * @returns null for a member that is planned and has no mixer yet.
 */
export function capabilitiesOf(member: Member, registry: RegisteredMixers): Capabilities | null {
  if (member.capabilities !== undefined) return member.capabilities;
  return registry.find(({ name }) => name === member.implementation.mixer)?.capabilities ?? null;
}

/** Whether the member is built: its mixer is registered, or, for one without a mixer, the data say so. */
export function statusOf({ status, implementation }: Member, registry: RegisteredMixers): Status {
  return status ?? (registry.some(({ name }) => name === implementation.mixer) ? 'implemented' : 'planned');
}
