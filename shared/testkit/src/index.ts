export { startNatsCluster } from './nats-cluster.ts';
export type { NatsCluster } from './nats-cluster.ts';
export { natsServerBinary, startNatsServer } from './nats-server.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
export { freePort } from './port.ts';
export { readyMessage, spawnNode, startChild } from './process.ts';
export type { Child, ChildOptions, ProcessExit } from './process.ts';
export { deferred, Queue, waitFor, WaitTimeoutError, withTimeout } from './wait.ts';
export type { Deferred, WaitOptions } from './wait.ts';
