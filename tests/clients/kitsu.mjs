// Drives one kitsu client for tests/clients/test_clients.py: a call per line of its input, an outcome per line of its output.
import { createInterface } from 'node:readline'
import Kitsu from 'kitsu'

const { options, paths } = JSON.parse(process.argv[1])
const api = new Kitsu(options)

// kitsu takes a type's name for the path of its collection; an interceptor, its own means, says where they differ.
api.interceptors.request.use(config => {
  const [first, ...rest] = config.url.split('/')
  return { ...config, url: [paths[first] ?? first, ...rest].join('/') }
})

for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line)
  const outcome = await api[method](...args).then(
    value => ({ value }),
    error => ({ error: { name: error.name, status: error.response?.status ?? null, errors: error.errors ?? [] } })
  )
  console.log(JSON.stringify(outcome))
}
