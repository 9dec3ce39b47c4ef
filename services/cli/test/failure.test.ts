import { expect, test } from '@jest/globals';
import { failureIn } from '../src/up/failure.ts';

test('an uncaught error is told without its stack', () => {
  const lines = [
    'file:///repo/shared/bus/src/nats/connection.ts:80',
    '        throw new BusUnavailableError(`${what}: expected an answer`, {',
    '              ^',
    '',
    'BusUnavailableError: NATS at nats://x: expected an answer, got a refusal',
    '    at retryAtStart (file:///repo/shared/bus/src/nats/connection.ts:80:15)',
    "  code: 'unavailable',",
    '  [cause]: Error: connect ECONNREFUSED 127.0.0.1:9',
    'Node.js v20.20.2',
  ];
  expect(failureIn(lines)).toBe('NATS at nats://x: expected an answer, got a refusal');
});

test('what keeps a service from starting is told whole', () => {
  const lines = [
    'sluice edge cannot start: invalid configuration, 2 problem(s): SLUICE_A: expected URL, got "x"; SLUICE_B: …',
    'ConfigErrors have stacks at log level debug',
    '    at loadConfig (file:///repo/config.ts:1:1)',
  ];
  expect(failureIn(lines)).toBe(
    'invalid configuration, 2 problem(s): SLUICE_A: expected URL, got "x"; SLUICE_B: …',
  );
});

test('the fatal line of nats-server is told without its mark', () => {
  const lines = [
    '[7] 2026/01/01 00:00:00.000000 [INF] Starting',
    '[7] 2026/01/01 00:00:00.000000 [FTL] no room',
  ];
  expect(failureIn(lines)).toBe('no room');
});

test('output without an error tells nothing', () => {
  expect(failureIn(['{"level":"info","event":"edge_started"}', ''])).toBeUndefined();
});
