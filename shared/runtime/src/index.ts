export { acceptedBy } from './settings/accepted-values.ts';
export { startAdminServer } from './admin-server.ts';
export type { AdminServer, AdminServerOptions, Readiness } from './admin-server.ts';
export { fileVariable, readSecretFile } from './settings/secret-file.ts';
export { sweepLog } from './sweep-log.ts';
export { systemClock } from './clock.ts';
export type { Clock, Timer } from './clock.ts';
export {
  ConfigError,
  defineConfig,
  describeConfig,
  loadConfig,
  REDACTED,
  redactConfig,
} from './settings/config.ts';
export type {
  ConfigOf,
  ConfigProblem,
  ConfigRow,
  ConfigSchema,
  Environment,
  LoadOptions,
} from './settings/config.ts';
export { readDescriptors } from './descriptors.ts';
export type { Descriptors } from './descriptors.ts';
export { engineRulesOf, engineSettings } from './settings/engine-settings.ts';
export { foreignLog } from './foreign-log.ts';
export { generationIds } from './generation-ids.ts';
export { createLogger, LOG_LEVELS, silentLogger } from './logger.ts';
export type { LogFields, Logger, LoggerOptions, LogLevel } from './logger.ts';
export { createMetrics } from './metrics.ts';
export type { Metrics } from './metrics.ts';
export { checkNatsSettings, natsOptionsOf, natsSettings } from './settings/nats-settings.ts';
export { persist } from './persist.ts';
export { placementSetting } from './settings/placement-setting.ts';
export { count, flag, list, port, setting } from './settings/setting.ts';
export type { Setting, SettingNotes } from './settings/setting.ts';
export { onShutdown } from './shutdown.ts';
export type { Shutdown, ShutdownOptions, ShutdownReason } from './shutdown.ts';
export { describeStartError, startService } from './start-service.ts';
export type { Own } from './start-service.ts';
export { NO_TRACING, openTracing } from './tracing.ts';
export { tracingSetting } from './settings/tracing-setting.ts';
export type { Span, SpanAttributes, SpanEnd, SpanOptions, Tracing } from './tracing.ts';
