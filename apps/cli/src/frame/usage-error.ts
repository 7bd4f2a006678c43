import { ConfigError } from '@mamba360/ssm/errors';

/** The command line itself is wrong: unknown verb or option, missing or unreadable value. Exit code 2. */
export class UsageError extends ConfigError {}
