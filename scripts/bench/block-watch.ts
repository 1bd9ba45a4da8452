/**
 * When each validator told of each block: its server-sent events (`/v1/events`), with the time of
 * arrival here, on one clock for all of them.
 */

import { z } from 'zod'
