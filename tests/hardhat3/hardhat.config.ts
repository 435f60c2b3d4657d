import toolbox from '@nomicfoundation/hardhat-toolbox-viem'
import { defineConfig } from 'hardhat/config'
import { networks, solidity } from './shared.js'

export default defineConfig({ plugins: [toolbox], solidity, networks, paths: { tests: { nodejs: 'test' } } })
