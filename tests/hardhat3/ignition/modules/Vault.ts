import { buildModule } from '@nomicfoundation/hardhat-ignition/modules'

export default buildModule('Vault', (module) => {
  const unlockTime = module.getParameter('unlockTime', 4_000_000_000n)
  const vault = module.contract('Vault', [unlockTime], { value: 5n })
  module.call(vault, 'setNote', [17n])
  return { vault }
})
