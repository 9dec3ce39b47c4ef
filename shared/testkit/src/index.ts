export { badTokens } from './bad-tokens.ts';
export type { BadToken } from './bad-tokens.ts';
export type { Direction } from './fault-pipe.ts';
export { startFaultProxy } from './fault-proxy.ts';
export type { CutOptions, FaultProxy, FaultProxyOptions, ProxyTarget } from './fault-proxy.ts';
export { generateTestKeys, signJws } from './jws.ts';
export type { KeyPair, SigningKey, TestKeys } from './jws.ts';
export { epochSeconds, mintToken, TEST_AUDIENCE, TEST_ISSUER, TEST_SECRET } from './jwt.ts';
export type { MintOptions } from './jwt.ts';
export { ManualClock } from './manual-clock.ts';
export { startNatsCluster } from './nats-cluster.ts';
export type { NatsCluster } from './nats-cluster.ts';
export type { Isolation, NatsNetwork } from './nats-network.ts';
export { natsServerBinary, startNatsServer } from './nats-server.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
export { freePort } from './port.ts';
export { readyMessage, spawnNode, startChild } from './process.ts';
export type { Child, ChildOptions, ProcessExit } from './process.ts';
export { openRawClient, UpgradeRefusedError } from './raw-client.ts';
export type {
  FrameOf,
  Frames,
  NextFrame,
  RawClient,
  RawClientOptions,
  RawFrame,
  SocketClose,
} from './raw-client.ts';
export { openEventStream } from './raw-event-stream.ts';
export type { RawEvent, RawEventStream, RawStreamOptions } from './raw-event-stream.ts';
export { checkTranscript, sha256 } from './transcript.ts';
export type { Attachment, TranscriptReport } from './transcript.ts';
export { deferred, Queue, waitFor, WaitTimeoutError, withTimeout } from './wait.ts';
export type { Deferred, WaitOptions } from './wait.ts';
