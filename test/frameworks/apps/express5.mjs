import express from 'express'
import { makeApp } from './express-routes.mjs'

export default makeApp(express, { rejects: true })
