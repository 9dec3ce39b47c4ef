import { z } from 'zod';
import { setting } from './setting.ts';

/** Where spans go. The name is OpenTelemetry's own; its SDK reads the others of that kind. */
export const tracingSetting = {
  tracesEndpoint: setting(z.url({ protocol: /^https?$/ }).optional(), {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    about:
      'Collector of OTLP over HTTP that gets traces, e.g. `http://collector:4318`; unset: nothing is traced. Other `OTEL_*` settings for traces count as well.',
  }),
};
