#!/usr/bin/env node
/** Runs an edge; its settings come from the environment. */
import '../dist/main.js';
