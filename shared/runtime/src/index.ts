export { acceptedBy } from './accepted-values.ts';
export { startAdminServer } from './admin-server.ts';
export type { AdminServer, AdminServerOptions, Readiness } from './admin-server.ts';
export { systemClock } from './clock.ts';
export type { Clock, Timer } from './clock.ts';
export { ConfigError, defineConfig, describeConfig, loadConfig, REDACTED, redactConfig } from './config.ts';
export type { ConfigOf, ConfigProblem, ConfigRow, ConfigSchema, Environment, LoadOptions } from './config.ts';
export { killThisProcess } from './kill.ts';
export { createLogger, LOG_LEVELS, silentLogger } from './logger.ts';
export type { LogFields, Logger, LoggerOptions, LogLevel } from './logger.ts';
export { createMetrics, LATENCY_BUCKETS_SECONDS } from './metrics.ts';
export type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  Latencies,
  MetricOptions,
  Metrics,
  Reading,
  ReadOptions,
  Registry,
  Tally,
} from './metrics.ts';
export { natsOptionsOf, natsSettings } from './nats-settings.ts';
export { persist } from './persist.ts';
export { placementSetting } from './placement-setting.ts';
export { count, flag, list, port, setting } from './setting.ts';
export type { Setting, SettingNotes } from './setting.ts';
export { onShutdown } from './shutdown.ts';
export type { Shutdown, ShutdownOptions, ShutdownReason } from './shutdown.ts';
export { describeStartError, startService } from './start-service.ts';
