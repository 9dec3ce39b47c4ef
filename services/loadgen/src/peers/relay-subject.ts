/** Core NATS, not JetStream: outside of every subject that the system stores or republishes. */
export const relaySubject = (session: string): string => `bench.relay.${session}`;
