// The other toolbox: mocha, ethers and chai matchers.
import toolbox from '@nomicfoundation/hardhat-toolbox-mocha-ethers'
import { defineConfig } from 'hardhat/config'
import { networks, solidity } from './shared.js'

export default defineConfig({ plugins: [toolbox], solidity, networks, paths: { tests: { mocha: 'test-ethers' } } })
