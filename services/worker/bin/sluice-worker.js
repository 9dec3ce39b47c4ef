#!/usr/bin/env node
/** Runs a worker; its settings come from the environment. */
import '../dist/main.js';
