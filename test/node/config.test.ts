import { describe, expect, it } from 'vitest'
import { CONFIG_VARIABLES, ConfigError, formatConfig, parseConfig } from '../../src/node/config.ts'

const FILE = 'config.toml'

function complaint(toml: string, environment: Record<string, string> = {}): string {
  try {
    parseConfig(toml, FILE, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'none'
}

describe('config.toml', () => {
  it('needs nothing', () => {
    expect(parseConfig('', FILE)).toEqual({
      log_level: 'info',
      p2p: { listen: ['/ip4/0.0.0.0/tcp/9735'], peers: [] },
      api: { enabled: true, host: '127.0.0.1', port: 3080 },
      validation: { script_cache: true },
    })
  })

  it('is read back as it was written', () => {
    const l1 = { url: 'http://127.0.0.1:18443', cookie_file: '/x/.cookie' }
    const values = {
      listen: ['/ip4/127.0.0.1/tcp/1'],
      peers: ['/dns4/a.example/tcp/2/p2p/12D3'],
      apiPort: 4,
      logLevel: 'warn',
      l1,
    } as const
    const parsed = parseConfig(formatConfig(values), FILE)
    expect(parsed.p2p).toEqual({ listen: values.listen, peers: values.peers })
    expect(parsed.api.port).toBe(4)
    expect(parsed.l1).toEqual(l1)
    expect(parseConfig(formatConfig({ ...values, l1: undefined }), FILE).l1).toBeUndefined()
  })

  const text = [
    '# port = 1',
    'log_level = "info"',
    '[p2p]',
    'listen = ["/ip4/0.0.0.0/tcp/9735"]',
    '[api]',
    'host = "127.0.0.1"',
    'port = 3080',
    '',
  ]
  const changed = (line: number, to: string): string =>
    text.map((old, index) => (index === line - 1 ? to : old)).join('\n')

  it('names the line of what is wrong', () => {
    expect(complaint(text.join('\n'))).toBe('none')
    expect(complaint(changed(2, 'log_level = "loud"'))).toMatch(/^config\.toml:2: /)
    expect(complaint(changed(2, 'log_levels = "info"'))).toMatch(/^config\.toml:2: .*log_levels/s)
    expect(complaint(changed(4, 'listen = ["here"]'))).toMatch(/^config\.toml:4: /)
    expect(complaint(changed(7, 'port = 70000'))).toMatch(/^config\.toml:7: /)
    expect(complaint(changed(7, 'prot = 3080'))).toMatch(/^config\.toml:7: .*prot/s)
    expect(complaint(changed(5, '[apy]'))).toMatch(/^config\.toml:5: .*apy/s)
    expect(complaint(changed(6, 'host = '))).toMatch(/^config\.toml:6: /)
    expect(complaint('api = { port = "x" }')).toMatch(/^config\.toml:1: /)
    expect(complaint('\n[l1]\nuser = "a"')).toMatch(/^config\.toml:2: /)
  })

  it('needs one way to log in to bitcoind', () => {
    const l1 = '[l1]\nurl = "http://127.0.0.1:8332"\n'
    expect(complaint(l1)).toContain('cookie_file')
    expect(complaint(`${l1}user = "a"`)).toContain('both user and password')
    expect(complaint(`${l1}user = "a"\npassword = "b"`)).toBe('none')
  })
})

describe('the environment', () => {
  it('overrides the file', () => {
    const config = parseConfig('[api]\nport = 1\nhost = "::1"', FILE, {
      CAUSEWAY_LOG_LEVEL: 'debug',
      CAUSEWAY_P2P_LISTEN: '/ip4/1.2.3.4/tcp/1, /ip6/::1/tcp/2',
      CAUSEWAY_API_PORT: '2',
      CAUSEWAY_API_ENABLED: 'false',
      CAUSEWAY_L1_URL: 'http://10.0.0.1:8332',
      CAUSEWAY_L1_COOKIE_FILE: '/cookie',
      CAUSEWAY_HOME: '/somewhere',
      CAUSEWAY_VALIDATION_SCRIPT_CACHE: 'false',
    })
    expect(config.validation.script_cache).toBe(false)
    expect(config.log_level).toBe('debug')
    expect(config.p2p.listen).toEqual(['/ip4/1.2.3.4/tcp/1', '/ip6/::1/tcp/2'])
    expect(config.api).toEqual({ enabled: false, host: '::1', port: 2 })
    expect(config.l1).toEqual({ url: 'http://10.0.0.1:8332', cookie_file: '/cookie' })
  })

  it('counts for nothing where it is empty', () => {
    expect(parseConfig('', FILE, { CAUSEWAY_API_PORT: '' }).api.port).toBe(3080)
  })

  it('is named when it is wrong', () => {
    expect(complaint('[api]\nport = 1', { CAUSEWAY_API_PORT: 'many' })).toMatch(
      /^CAUSEWAY_API_PORT: /,
    )
    expect(complaint('', { CAUSEWAY_LOG_LEVEL: 'loud' })).toMatch(/^CAUSEWAY_LOG_LEVEL: /)
    expect(complaint('', { CAUSEWAY_P2P_PEERS: 'nowhere' })).toMatch(/^CAUSEWAY_P2P_PEERS: /)
    expect(complaint('api = 3', { CAUSEWAY_API_PORT: '1' })).toMatch(/^config\.toml:1: /)
  })

  it('has a variable for every key', () => {
    expect(Object.keys(CONFIG_VARIABLES)).toHaveLength(12)
  })
})
