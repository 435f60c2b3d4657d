// A deployment with a call after it, as Ignition describes it.
const { buildModule } = require('@nomicfoundation/hardhat-ignition/modules')

module.exports = buildModule('Vault', (m) => {
  const vault = m.contract('Vault', [4_000_000_000n], { value: 5n })
  m.call(vault, 'setNote', [17n])
  return { vault }
})
