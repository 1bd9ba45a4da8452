/** Runs before every test file: the suite checks signatures and hashes as fast as a node does. */

import { installNativeBackends } from '../../src/runtime/native-backends.ts'

installNativeBackends()
