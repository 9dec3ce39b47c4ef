import { expect, test } from '@jest/globals';
import { Meter } from '../src/proof/meter.ts';

test('ranges that tile leave nothing missing and nothing repeated', () => {
  const meter = new Meter('g');
  meter.arrived({ epoch: 0, from: 0, seq: 3 }, 10);
  meter.arrived({ epoch: 0, from: 3, seq: 4 }, 20);
  expect(meter).toMatchObject({ received: 4, missing: 0, repeated: 0, firstTokenAt: 10, framesInFlight: 2 });
});

test('a hole and an overlap are counted in tokens', () => {
  const meter = new Meter('g');
  meter.arrived({ epoch: 0, from: 0, seq: 5 }, 0);
  meter.arrived({ epoch: 0, from: 7, seq: 9 }, 0);
  meter.arrived({ epoch: 0, from: 6, seq: 10 }, 0);
  expect(meter).toMatchObject({ received: 10, missing: 2, repeated: 3 });
});

test('an ack frees the frames it covers, and a new attachment frees all', () => {
  const meter = new Meter('g');
  for (const seq of [1, 2, 3]) meter.arrived({ epoch: 0, from: seq - 1, seq }, 0);
  meter.ackSent({ epoch: 0, seq: 2 });
  expect(meter).toMatchObject({ framesInFlight: 1, ahead: 1 });
  meter.reattached();
  expect(meter).toMatchObject({ framesInFlight: 0, ahead: 0 });
});

test('a new epoch starts from zero and repeats nothing', () => {
  const meter = new Meter('g');
  meter.arrived({ epoch: 0, from: 0, seq: 50 }, 0);
  meter.arrived({ epoch: 1, from: 0, seq: 2 }, 0);
  expect(meter).toMatchObject({ received: 2, repeated: 0, missing: 0 });
});
