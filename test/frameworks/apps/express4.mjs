import express from 'express4'
import { makeApp } from './express-routes.mjs'

export default makeApp(express, { rejects: false })
