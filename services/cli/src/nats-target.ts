import { readDemo } from './demo-file.ts';

export type NatsTarget = {
  /** servers separated by commas */
  readonly natsUrl: string;
  /** copies of every stream there */
  readonly replicas: number;
};

/** The NATS that is meant: what the options name, else that of the local `sluice up`, else the usual address. */
export const findNats = (options: { readonly [Name in keyof NatsTarget]?: NatsTarget[Name] }): NatsTarget => {
  const demo = readDemo();
  const natsUrl = options.natsUrl ?? demo?.nats ?? 'nats://127.0.0.1:4222';
  const known = natsUrl === demo?.nats ? demo.replicas : undefined;
  return { natsUrl, replicas: options.replicas ?? known ?? 1 };
};
